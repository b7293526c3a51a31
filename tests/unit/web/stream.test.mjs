import assert from "node:assert/strict";
import test from "node:test";

import { Stream } from "../../../web/live/stream.js";
import { aFrame, aRound } from "./rounds.mjs";

/** A stream over sources and timers that the test works. */
function aStream() {
  const seen = { sources: [], frames: [], states: [], timers: new Map() };
  let timer = 0;
  const parts = {
    openSource: (url) => {
      const source = { url, isClosed: false, close: () => (source.isClosed = true) };
      seen.sources.push(source);
      return source;
    },
    setTimer: (act, ms) => {
      seen.timers.set((timer += 1), { act, ms });
      return timer;
    },
    clearTimer: (id) => seen.timers.delete(id),
    chance: () => 1,
  };
  const hear = (frame) => seen.frames.push(`${frame.kind} ${frame.transitionSeq}`);
  const stream = new Stream({ track: "harbour mile", hear, tell: (state) => seen.states.push(state), parts });
  return { stream, seen };
}

const last = (seen) => seen.sources.at(-1);
const send = (seen, kind, seq) => last(seen).onmessage({ data: aFrame({ kind, transition_seq: String(seq) }) });

/** Let the only timer that is set go off, and tell how long it was. */
function elapse(seen) {
  assert.equal(seen.timers.size, 1);
  const [[id, { act, ms }]] = seen.timers;
  seen.timers.delete(id);
  act();
  return ms;
}

test("it begins with the round as it is", () => {
  const { stream, seen } = aStream();
  stream.open();

  const url = new URL(last(seen).url, "http://gateway");
  assert.equal(url.pathname, "/v1/tracks/harbour%20mile:watch");
  assert.equal(url.searchParams.get("after"), null);
  assert.deepEqual(seen.states, ["connecting"]);
});

test("after a break it goes on behind the last transition it saw", () => {
  const { stream, seen } = aStream();
  stream.open();
  last(seen).onopen();
  send(seen, "UPDATE", 40);
  send(seen, "TRANSITION", 41);
  last(seen).onerror();
  assert.ok(last(seen).isClosed);
  elapse(seen);

  assert.equal(new URL(last(seen).url, "http://gateway").searchParams.get("after"), "41");
  assert.deepEqual(seen.frames, ["UPDATE 40", "TRANSITION 41"]);
});

test("a transition that is sent twice is heard once", () => {
  const { stream, seen } = aStream();
  stream.open();
  for (const [kind, seq] of [["UPDATE", 7], ["TRANSITION", 8], ["TRANSITION", 8], ["TRANSITION", 7], ["TICK", 8], ["TRANSITION", 9]]) {
    send(seen, kind, seq);
  }

  assert.deepEqual(seen.frames, ["UPDATE 7", "TRANSITION 8", "TICK 8", "TRANSITION 9"]);
});

test("a gap is the round as it is now, even where the count began anew", () => {
  const { stream, seen } = aStream();
  stream.open();
  send(seen, "UPDATE", 90);
  send(seen, "GAP", 3);
  last(seen).onerror();
  elapse(seen);

  assert.deepEqual(seen.frames, ["UPDATE 90", "GAP 3"]);
  assert.equal(new URL(last(seen).url, "http://gateway").searchParams.get("after"), "3");
});

test("the waits grow with every failure up to a bound, and begin anew once it was live", () => {
  const { stream, seen } = aStream();
  stream.open();
  const waitsMs = Array.from({ length: 8 }, () => {
    last(seen).onerror();
    return elapse(seen);
  });
  last(seen).onopen();
  last(seen).onerror();

  assert.deepEqual(waitsMs, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
  assert.equal(elapse(seen), 250);
});

test("silence is a break", () => {
  const { stream, seen } = aStream();
  stream.open();
  last(seen).onopen();
  elapse(seen);

  assert.ok(last(seen).isClosed);
  assert.deepEqual(seen.states, ["connecting", "live", "waiting"]);
  elapse(seen);
  assert.equal(seen.sources.length, 2);
});

test("a track that has said nothing yet is asked again, and nothing is called lost", () => {
  const { stream, seen } = aStream();
  stream.open();
  elapse(seen);
  elapse(seen);

  assert.deepEqual(seen.states, ["connecting", "connecting", "connecting"]);
  assert.deepEqual(seen.sources.map((source) => source.isClosed), [true, true, false]);
});

test("after the end nothing is opened again", () => {
  const { stream, seen } = aStream();
  stream.open();
  send(seen, "UPDATE", 1);
  stream.close();

  assert.ok(last(seen).isClosed);
  assert.equal(seen.timers.size, 0);
});

test("numbers of the wire come as numbers and times as milliseconds", () => {
  const { stream, seen } = aStream();
  let heard = null;
  const parts = { openSource: () => (seen.source = { close() {} }), setTimer() {}, clearTimer() {}, chance: () => 0 };
  new Stream({ track: "a", hear: (frame) => (heard = frame), tell() {}, parts }).open();
  const totals = { tickets: "12", stake_minor: "345600" };
  seen.source.onmessage({ data: aFrame({ round: aRound({ totals }), presence: { watchers: 1_204, terminals: 3 } }) });

  assert.equal(heard.watchers, 1_204);
  assert.equal(heard.round.id, 17);
  assert.equal(heard.round.tickets, 12);
  assert.equal(heard.round.stakeMinor, 345_600);
  assert.equal(heard.round.locksAtMs - heard.round.opensAtMs, 30_000);
  assert.equal(heard.serverTimeMs, heard.round.opensAtMs);
  stream.close();
});
