/** The countdown and the words around it: what happens next, and when. */

import { timeLeft } from "../model/words.js";
import { byId, mark, say } from "./element.js";
import { paidOut } from "./podium.js";

const HURRY_MS = 10_000;

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

  /** Show the moment; `leader` is who is in front. */
  show(round, moment, leader) {
    this.#write(this.#words(round, moment, leader));
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

  #words(round, moment, leader) {
    const left = timeLeft(moment.leftMs);
    switch (moment.state) {
      case "BETTING":
        return { label: "Betting closes in", time: left, note: "", stamp: "Betting open" };
      case "CLOSED":
        return { label: "No more bets", time: "Closed", note: "They are going into the gate", stamp: "Betting closed" };
      case "AWAITING":
        return { label: "No more bets", time: "Awaited", note: "The result is awaited", stamp: "Result awaited" };
      case "RACING":
        return {
          label: "To run",
          time: metresLeft(round, leader),
          note: leader.progress > 0 ? `In front: ${nameOf(round, leader.number)}` : "They are off",
          stamp: "The race",
        };
      case "RESULT":
        return {
          label: "Next race in",
          time: moment.leftMs > 0 ? left : "soon",
          note: paidOut(round, document.documentElement.lang),
          stamp: "Photo finish",
        };
      default:
        return { label: "This round is void", time: "Void", note: `Every stake is given back: ${round.voidReason}`, stamp: "Void" };
    }
  }
}

function metresLeft(round, leader) {
  const left = Math.max(0, Math.ceil(round.distanceM * (1 - leader.progress)));
  return left > 0 ? `${left} m` : "Finish";
}

function nameOf(round, number) {
  return `${number}. ${round.runners.find((runner) => runner.number === number).name}`;
}
