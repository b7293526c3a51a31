/** The countdown and the words around it: what happens next, and when. */

import { opensRounds } from "../model/track.js";
import { timeLeft } from "../model/words.js";
import { byId, mark, say } from "./element.js";
import { paidOut } from "./podium.js";

const HURRY_MS = 10_000;
const PAUSED = { label: "Next race", time: "later" };
/** The words for a track whose next round does not open by itself. */

export class Countdown {
  #label = byId("countdown-label");
  #time = byId("countdown");
  #note = byId("countdown-note");
  #stretch = byId("stretch");
  #stamp = byId("stamp");

  /** Show that there is nothing to count down to. */
  clear() {
    this.#write({ label: "Waiting for the next round", time: "", note: "", stamp: "" });
    mark(this.#time, "hurry", false);
    this.#stretch.style.transform = "scaleX(0)";
  }

  /** Show the moment on a track that stands like `track`; `leader` is who is in front. */
  show(round, moment, leader, track) {
    this.#write(this.#words(round, moment, leader, track));
    const isHurry = moment.state === "BETTING" && moment.leftMs <= HURRY_MS;
    mark(this.#time, "hurry", isHurry);
    mark(this.#stretch, "hurry", isHurry);
    this.#stretch.style.transform = `scaleX(${moment.leftShare.toFixed(4)})`;
  }

  #write({ label, time, note, stamp }) {
    say(this.#label, label);
    say(this.#time, time);
    say(this.#note, note);
    say(this.#stamp, stamp);
  }

  #words(round, moment, leader, track) {
    const left = timeLeft(moment.leftMs);
    switch (moment.state) {
      case "BETTING":
        return track.state === "SUSPENDED"
          ? { label: "Betting closes in", time: left, note: "No bets are taken now", stamp: "Betting suspended" }
          : { label: "Betting closes in", time: left, note: "", stamp: "Betting open" };
      case "CLOSED":
        return { label: "No more bets", time: "Closed", note: beforeTheOff(round, moment), stamp: "Betting closed" };
      case "AWAITING":
        return { label: "No more bets", time: "Awaited", note: "The result is awaited", stamp: "Result awaited" };
      case "RACING":
        return {
          label: "To run",
          time: round.distanceM > 0 ? metresLeft(round, leader) : left,
          note: leader.progress > 0 ? `In front: ${nameOf(round, leader.number)}` : "They are off",
          stamp: "The race",
        };
      case "RESULT":
        return {
          ...(opensRounds(track) ? { label: "Next race in", time: moment.leftMs > 0 ? left : "soon" } : PAUSED),
          note: paidOut(round, document.documentElement.lang),
          stamp: round.correctionReason ? "Result corrected" : "Photo finish",
        };
      default:
        return { label: "This round is void", time: "Void", note: `Every stake is given back: ${round.voidReason}`, stamp: "Void" };
    }
  }
}

/** A race that takes a public beacon in cannot start before it has spoken. */
function beforeTheOff(round, moment) {
  return round.beacon && moment.leftMs === 0 ? `Waiting for the public beacon ${round.beacon}` : "They are going into the gate";
}

function metresLeft(round, leader) {
  const left = Math.max(0, Math.ceil(round.distanceM * (1 - leader.progress)));
  return left > 0 ? `${left} m` : "Finish";
}

function nameOf(round, number) {
  return `${number}. ${round.runners.find((runner) => runner.number === number).name}`;
}
