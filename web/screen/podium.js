/** The first three, large, beside the photo finish. */

import { money, price } from "../model/money.js";
import { margin, place } from "../model/words.js";
import { badge } from "./badge.js";
import { byId, element } from "./element.js";

const PLACES = 3;

export class Podium {
  #box = byId("podium");
  #shown = "";

  /** Show the result of a round, or nothing; `plan` tells the margins as they were seen. */
  show(round, moment, plan) {
    const isResult = moment.state === "RESULT" && round.result.length > 0;
    const key = isResult ? `${round.id}/${round.result}` : "";
    if (key === this.#shown) return;
    this.#shown = key;
    const first = isResult ? round.result.slice(0, PLACES) : [];
    this.#box.replaceChildren(...first.map((number, index) => this.#step(round, plan, number, index + 1)));
  }

  /** Show nobody. */
  clear() {
    this.#shown = "";
    this.#box.replaceChildren();
  }

  #step(round, plan, number, at) {
    const runner = round.runners.find((each) => each.number === number);
    const detail = at === 1 ? `pays ${price(runner.priceHundredths)}` : marginOf(plan, number, at);
    return element(
      "div",
      `step step-${at}`,
      element("span", "step-place", at === 1 ? "Winner" : place(at)),
      badge(number),
      element("span", "step-name", `${number}. ${runner.name}`),
      element("span", "step-detail", detail),
    );
  }
}

/** How far behind the one before it a runner was seen; a result that was corrected was not seen like that. */
function marginOf(plan, number, at) {
  const entry = plan?.entries[at - 1];
  return entry?.number === number ? margin(entry.marginHundredths) : "";
}

/** The sum that was paid, in words; empty before the settlement. */
export function paidOut(round, language) {
  if (round.phase !== "SETTLED") return "";
  return round.payoutMinor > 0 ? `${money(round.payoutMinor, round.currency, language)} paid out` : "Every ticket is settled";
}
