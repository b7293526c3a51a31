/** The last winners of the track. A round is listed when its race is over, never before. */

import { price } from "../model/money.js";
import { badge } from "./badge.js";
import { byId, element } from "./element.js";

const ROUNDS_MAX = 6;
const IS_OVER = new Set(["FINISHED", "SETTLED"]);

export class Recent {
  #list = byId("recent");
  #rounds = new Map();

  /** How many rounds are worth asking for: the latest may be on its way still. */
  static get wanted() {
    return ROUNDS_MAX + 1;
  }

  /** Forget everything, for another track. */
  clear() {
    this.#rounds.clear();
    this.#list.replaceChildren();
  }

  /** Take note of rounds in any order; a later word of one, like a corrected result, replaces an earlier one. */
  add(rounds) {
    const known = (round) => this.#rounds.get(round.id)?.revision ?? 0;
    const news = rounds.filter((round) => IS_OVER.has(round.phase) && round.revision > known(round));
    if (news.length === 0) return;
    news.forEach((round) => this.#rounds.set(round.id, round));
    const latest = [...this.#rounds.values()].sort((one, other) => other.id - one.id).slice(0, ROUNDS_MAX);
    this.#rounds = new Map(latest.map((round) => [round.id, round]));
    this.#list.replaceChildren(...latest.map(itemOf));
  }
}

function itemOf(round) {
  const winner = round.runners.find((runner) => runner.number === round.result[0]);
  return element(
    "li",
    "past",
    badge(winner.number),
    element("span", "past-name", `${winner.number}. ${winner.name}`),
    element("span", "past-price", price(winner.priceHundredths)),
  );
}
