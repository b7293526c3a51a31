/** The screen of a shop: the only place that puts its parts together. */

import { getTrack, listRounds, listTracks } from "./live/api.js";
import { Standing } from "./live/standing.js";
import { Stream } from "./live/stream.js";
import { waitMs } from "./model/backoff.js";
import { ServerClock } from "./model/clock.js";
import { withRaceOf } from "./model/frame.js";
import { SELLS_ALL } from "./model/track.js";
import { Connection } from "./screen/connection.js";
import { Presence } from "./screen/presence.js";
import { Recent } from "./screen/recent.js";
import { Shop } from "./screen/shop.js";
import { Tracks, wantedTrack } from "./screen/tracks.js";

const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const clock = new ServerClock(() => performance.now());
const shop = new Shop(() => calm.matches);
const connection = new Connection();
const presence = new Presence();
const recent = new Recent();
const tracks = new Tracks(watch);
const parts = {
  openSource: (url) => new EventSource(url),
  setTimer: (act, ms) => setTimeout(act, ms),
  clearTimer: (timer) => clearTimeout(timer),
  chance: Math.random,
};

let known = [];
let stream = null;
let standing = null;
let track = SELLS_ALL;
let round = null;

/** Watch another track from now on. */
function watch(name) {
  stream?.close();
  round = null;
  track = SELLS_ALL;
  recent.clear();
  presence.clear();
  tracks.show(known, name);
  const title = known.find((each) => each.name === name)?.title ?? name;
  document.title = `${title} · Furlong`;
  stream = new Stream({ track: name, hear, tell: (state) => connection.show(state), parts });
  stream.open();
  const watched = stream;
  standing = new Standing({
    ask: () => getTrack(name),
    tell: (read) => watched === stream && (track = read),
    nowMs: () => performance.now(),
  });
  listRounds(name, Recent.wanted).then(
    (rounds) => watched === stream && recent.add(rounds),
    () => {}, // the winners to come are heard on the stream; those of the past are a comfort, no more
  );
}

/** Take note of a frame. */
function hear(frame) {
  clock.hear(frame.serverTimeMs);
  presence.show(frame.watchers);
  standing.heard(frame);
  recent.add([frame.round]);
  // A round that is settled late is heard of while the next one is shown already.
  if (round === null || frame.round.id >= round.id || frame.kind === "GAP") round = withRaceOf(round, frame.round);
}

/** Draw as often as the screen can show it. */
function draw() {
  if (round === null) shop.showWaiting();
  else shop.show(round, clock.nowMs(), track);
  requestAnimationFrame(draw);
}

/** Find the tracks, however long it takes, and watch the wanted one or the first. */
async function begin(failures = 0) {
  try {
    known = await listTracks();
    if (known.length === 0) throw new Error("there is no track yet");
  } catch {
    connection.show("waiting");
    setTimeout(() => begin(failures + 1), waitMs(failures + 1, Math.random));
    return;
  }
  const wanted = wantedTrack();
  watch(known.some((track) => track.name === wanted) ? wanted : known[0].name);
}

window.addEventListener("online", () => stream?.open());
begin();
requestAnimationFrame(draw);
