/** The first three places, large, beside the photo finish; a dead heat makes them more. */

import { money, price } from "../model/money.js";
import { isDeadHeat, placesOf, winnersOf } from "../model/result.js";
import { margin, place } from "../model/words.js";
import { badge } from "./badge.js";
import { byId, element } from "./element.js";

const PLACES = 3;
const STEPS_MAX = 6;

export class Podium {
  #box = byId("podium");
  #shown = "";

  /** Show the result of a round, or nothing; `plan` tells the margins as they were seen. */
  show(round, moment, plan) {
    const isResult = moment.state === "RESULT" && round.result.length > 0;
    const key = isResult ? `${round.id}/${round.result}/${round.positions}/${round.correctionReason}` : "";
    if (key === this.#shown) return;
    this.#shown = key;
    const places = isResult ? placesOf(round) : new Map();
    const first = [...places].filter(([, at]) => at <= PLACES).slice(0, STEPS_MAX);
    this.#box.replaceChildren(...first.map(([number, at]) => this.#step(round, plan, number, at, isDeadHeat(places, number))));
  }

  /** Show nobody. */
  clear() {
    this.#shown = "";
    this.#box.replaceChildren();
  }

  #step(round, plan, number, at, isHeat) {
    const runner = round.runners.find((each) => each.number === number);
    const paid = isHeat ? `1/${winnersOf(round).length} of the stake at` : "pays";
    const detail = at === 1 ? `${paid} ${price(runner.priceHundredths)}` : marginOf(round, plan, number);
    const title = isHeat ? `Dead heat, ${place(at)}` : at === 1 ? "Winner" : place(at);
    return element(
      "div",
      `step step-${at}`,
      element("span", "step-place", title),
      badge(number),
      element("span", "step-name", `${number}. ${runner.name}`),
      element("span", "step-detail", detail),
    );
  }
}

/**
 * How far behind the one before it a runner was seen; nothing in a dead heat, nor where the race was not seen, nor where the
 * result was corrected: the one before it may be another then.
 */
function marginOf(round, plan, number) {
  if (round.correctionReason) return "";
  const hundredths = plan?.entries.find((entry) => entry.number === number)?.marginHundredths ?? 0;
  return hundredths > 0 ? margin(hundredths) : "";
}

/** The sum that was paid, in words; empty before the settlement. */
export function paidOut(round, language) {
  if (round.phase !== "SETTLED") return "";
  return round.payoutMinor > 0 ? `${money(round.payoutMinor, round.currency, language)} paid out` : "Every ticket is settled";
}
