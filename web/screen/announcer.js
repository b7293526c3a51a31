/** What happens, said in one sentence for those who have the page read out. */

import { placesOf } from "../model/result.js";
import { place } from "../model/words.js";
import { byId, say } from "./element.js";

const PLACES = 3;

export class Announcer {
  #box = byId("announcer");
  #said = "";

  /** Say what began, once; a result that was corrected is said again, and so is betting that is stopped or goes on. */
  show(round, moment, unsold) {
    const isStopped = moment.state === "BETTING" && unsold.all;
    const key = `${round.id}/${moment.state}/${isStopped}/${round.correctionReason}/${round.result}/${round.positions}`;
    if (key === this.#said) return;
    this.#said = key;
    say(this.#box, isStopped ? `Betting on round ${round.id} is suspended.` : sentence(round, moment.state));
  }
}

function sentence(round, state) {
  switch (state) {
    case "BETTING":
      return `Betting is open for round ${round.id}, ${round.raceName}, ${round.runners.length} runners.`;
    case "CLOSED":
      return "Betting is closed.";
    case "AWAITING":
      return "The result is awaited.";
    case "RACING":
      return "They are off.";
    case "RESULT":
      return `${round.correctionReason ? "Corrected result" : "Result"} of round ${round.id}: ${[...placesOf(round)]
        .filter(([, at]) => at <= PLACES)
        .map(([number, at]) => `${place(at)} ${named(round, number)}`)
        .concat(round.withdrawn.map((number) => `withdrawn ${named(round, number)}`))
        .join("; ")}.`;
    default:
      return `Round ${round.id} is void. Every stake is given back.`;
  }
}

function named(round, number) {
  return `${number}, ${round.runners.find((each) => each.number === number).name}`;
}
