/**
 * The board: every runner of the round with silks, name and price; in the race by where it is, afterwards by the result.
 *
 * Rows stay where they are in the page and move on the screen, so that an overtaking can be followed with the eyes.
 */

import { price } from "../model/money.js";
import { place } from "../model/words.js";
import { badge } from "./badge.js";
import { byId, element, mark, say } from "./element.js";

const ROWS_OF_ONE_COLUMN_MAX = 14;
const REORDER_MS = 180;
/** How often the running order is looked at: more often is more than an eye can follow. */

export class Board {
  #list = byId("field");
  #title = byId("board-title");
  #note = byId("board-note");
  #narrow = window.matchMedia("(max-width: 899px)");
  #rows = new Map();
  #roundId = null;
  #priceRevision = 0;
  #reorderedAtMs = 0;
  #shown = "";

  constructor() {
    this.#narrow.addEventListener("change", () => (this.#roundId = null)); // the next show fills it for the new width
  }

  /** Show the round; `field` is where everybody is, the leader first. */
  show(round, moment, field, nowMs) {
    if (this.#roundId !== round.id || this.#priceRevision !== round.priceRevision) this.#fill(round);
    const isRacing = moment.state === "RACING";
    const isResult = moment.state === "RESULT";
    say(this.#title, isRacing ? "Running order" : isResult ? "Result" : "Runners");
    say(this.#note, isRacing || isResult ? "" : "Win price");
    if (isRacing && Math.abs(nowMs - this.#reorderedAtMs) < REORDER_MS && this.#shown === moment.state) return;
    this.#reorderedAtMs = nowMs;
    const order = isResult ? round.result : isRacing ? field.map((each) => each.number) : round.runners.map((each) => each.number);
    const hasMoved = isRacing && field.some((each) => each.progress > 0);
    this.#arrange(order, isResult || hasMoved);
    if (this.#shown !== moment.state && isResult) this.#readInOrder(order);
    this.#shown = moment.state;
  }

  /** Show nobody. */
  clear() {
    this.#roundId = null;
    this.#list.replaceChildren();
    say(this.#title, "Runners");
    say(this.#note, "");
  }

  #fill(round) {
    this.#roundId = round.id;
    this.#priceRevision = round.priceRevision;
    this.#shown = "";
    const rows = round.runners.length;
    const columns = rows > ROWS_OF_ONE_COLUMN_MAX && !this.#narrow.matches ? 2 : 1;
    mark(this.#list, "columns", columns);
    this.#list.style.setProperty("--rows", Math.ceil(rows / columns));
    const best = Math.min(...round.runners.map((runner) => runner.priceHundredths));
    const favourites = round.runners.filter((runner) => runner.priceHundredths === best);
    this.#rows = new Map(round.runners.map((runner) => [runner.number, rowOf(runner, favourites)]));
    this.#list.replaceChildren(...this.#rows.values());
  }

  #arrange(order, withPlaces) {
    const perColumn = Math.ceil(order.length / Number(this.#list.dataset.columns));
    order.forEach((number, index) => {
      const row = this.#rows.get(number);
      const rank = String(index);
      if (row.style.getPropertyValue("--rank") !== rank) {
        row.style.setProperty("--rank", rank);
        row.style.setProperty("--row", index % perColumn);
        row.style.setProperty("--column", Math.floor(index / perColumn));
      }
      mark(row, "place", withPlaces ? index + 1 : "");
      say(row.querySelector(".place"), withPlaces ? place(index + 1) : "");
    });
  }

  /** Whoever has the page read out hears the result from first to last. */
  #readInOrder(order) {
    this.#list.append(...order.map((number) => this.#rows.get(number)));
  }
}

function rowOf(runner, favourites) {
  const name = element("span", "name", runner.name);
  if (favourites.includes(runner)) name.append(element("small", "tag", favourites.length > 1 ? "Joint favourite" : "Favourite"));
  const row = element(
    "li",
    "runner",
    element("span", "place"),
    badge(runner.number),
    element("span", "number", String(runner.number)),
    name,
    element("span", "price", price(runner.priceHundredths)),
  );
  mark(row, "runner", runner.number);
  return row;
}
