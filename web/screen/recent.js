/** The last winners of the track. A round is listed when its race is over, never before. */

import { price } from "../model/money.js";
import { winnersOf } from "../model/result.js";
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
  const winners = winnersOf(round).map((number) => round.runners.find((runner) => runner.number === number));
  return element(
    "li",
    "past",
    ...winners.map((winner) => badge(winner.number)),
    element("span", "past-name", winners.map((winner) => `${winner.number}. ${winner.name}`).join(" and ")),
    element("span", "past-price", winners.map((winner) => price(winner.priceHundredths)).join(" ")),
  );
}
