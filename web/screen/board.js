/**
 * The board: every runner of the round with silks, name and price; in the race by where it is, afterwards by the result.
 *
 * Rows stay where they are in the page and move on the screen, so that an overtaking can be followed with the eyes.
 */

import { price } from "../model/money.js";
import { everybody, isDeadHeat, placesOf } from "../model/result.js";
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

  /** Show the round; `field` is where everybody is, the leader first, and `unsold` what the house has suspended. */
  show(round, moment, field, nowMs, unsold) {
    if (this.#roundId !== round.id || this.#priceRevision !== round.priceRevision) this.#fill(round);
    const isRacing = moment.state === "RACING";
    const isResult = moment.state === "RESULT";
    say(this.#title, isRacing ? "Running order" : isResult ? "Result" : "Runners");
    const isBetting = moment.state === "BETTING";
    say(this.#note, isResult ? correctionOf(round) : isRacing ? "" : noteOf(round, isBetting ? unsold.markets : new Set()));
    mark(this.#list, "suspended", isBetting ? (unsold.all ? "WIN PLACE" : [...unsold.markets].join(" ")) : "");
    if (isRacing && Math.abs(nowMs - this.#reorderedAtMs) < REORDER_MS && this.#shown === moment.state) return;
    this.#reorderedAtMs = nowMs;
    const order = isResult
      ? everybody(round)
      : isRacing
        ? [...field.map((each) => each.number), ...round.withdrawn]
        : round.runners.map((each) => each.number);
    const hasMoved = isRacing && field.some((each) => each.progress > 0);
    const places = isResult ? placesOf(round) : new Map(hasMoved ? field.map((each, index) => [each.number, index + 1]) : []);
    const suspended = isBetting ? unsold.runners : new Set();
    this.#arrange(order, places, suspended, (number) => remark(round, places, suspended, number, isResult));
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
    const withPlace = isOfferedToPlace(round);
    this.#rows = new Map(round.runners.map((runner) => [runner.number, rowOf(runner, favourites, withPlace)]));
    this.#list.replaceChildren(...this.#rows.values());
  }

  #arrange(order, places, suspended, remarkOn) {
    const perColumn = Math.ceil(order.length / Number(this.#list.dataset.columns));
    order.forEach((number, index) => {
      const row = this.#rows.get(number);
      const rank = String(index);
      if (row.style.getPropertyValue("--rank") !== rank) {
        row.style.setProperty("--rank", rank);
        row.style.setProperty("--row", index % perColumn);
        row.style.setProperty("--column", Math.floor(index / perColumn));
      }
      const at = places.get(number);
      mark(row, "place", at ?? "");
      mark(row, "suspended", suspended.has(number));
      say(row.querySelector(".place"), at === undefined ? "" : place(at));
      say(row.querySelector(".remark"), remarkOn(number));
    });
  }

  /** Whoever has the page read out hears the result from first to last. */
  #readInOrder(order) {
    this.#list.append(...order.map((number) => this.#rows.get(number)));
  }
}

/** What there is to say of a runner beside its place. */
function remark(round, places, suspended, number, isResult) {
  if (round.withdrawn.includes(number)) return "Non-runner";
  if (suspended.has(number)) return "Suspended";
  if (!isResult) return "";
  if (!places.has(number)) return "Did not finish";
  return isDeadHeat(places, number) ? "Dead heat" : "";
}

/** Runners that have no price to place, because they are too strong, leave that column empty. */
function noteOf(round, suspended) {
  const named = (market, name) => (suspended.has(market) ? `${name} (suspended)` : name);
  return isOfferedToPlace(round) ? `${named("WIN", "Win")} · ${named("PLACE", "Place")}` : named("WIN", "Win price");
}

/** Why the result is not the one that was announced first; empty where it is. */
function correctionOf(round) {
  return round.correctionReason ? `Corrected: ${round.correctionReason}` : "";
}

function isOfferedToPlace(round) {
  return round.runners.some((runner) => runner.placePriceHundredths > 0);
}

function rowOf(runner, favourites, withPlace) {
  const name = element("span", "name", element("span", "name-text", runner.name));
  if (favourites.includes(runner)) name.append(element("small", "tag", favourites.length > 1 ? "Joint fav" : "Fav"));
  const row = element(
    "li",
    "runner",
    element("span", "place"),
    badge(runner.number),
    element("span", "number", String(runner.number)),
    name,
    element("small", "remark"), // beside the name: a long name is cut, what is said of the runner is not
    element("span", "price", price(runner.priceHundredths)),
  );
  if (withPlace) row.append(element("span", "place-price", runner.placePriceHundredths > 0 ? price(runner.placePriceHundredths) : "–"));
  mark(row, "runner", runner.number);
  return row;
}
