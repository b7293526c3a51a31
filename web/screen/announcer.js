/** What happens, said in one sentence for those who have the page read out. */

import { place } from "../model/words.js";
import { byId, say } from "./element.js";

const PLACES = 3;

export class Announcer {
  #box = byId("announcer");
  #said = "";

  /** Say what began, once. */
  show(round, moment) {
    const key = `${round.id}/${moment.state}`;
    if (key === this.#said) return;
    this.#said = key;
    say(this.#box, sentence(round, moment.state));
  }
}

function sentence(round, state) {
  switch (state) {
    case "BETTING":
      return `Betting is open for round ${round.id}, ${round.raceName}, ${round.runners.length} runners.`;
    case "CLOSED":
      return "Betting is closed.";
    case "RACING":
      return "They are off.";
    case "RESULT":
      return `Result of round ${round.id}: ${round.result
        .slice(0, PLACES)
        .map((number, index) => `${place(index + 1)} ${number}, ${round.runners.find((each) => each.number === number).name}`)
        .join("; ")}.`;
    default:
      return `Round ${round.id} is void. Every stake is given back.`;
  }
}
