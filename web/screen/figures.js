/** The stakes and tickets of the round, and how they came in. */

import { money } from "../model/money.js";
import { byId, say } from "./element.js";

const POINTS_MAX = 240;
const ROLL_MS = 500;
const ROLL_STEP_MINOR = 100;
/** An amount on its way changes in whole units: nobody reads cents that fly by. */
const WIDTH = 100;
const HEIGHT = 30;

export class Figures {
  #stakes = byId("stakes");
  #title = byId("stakes-title");
  #tickets = byId("tickets");
  #area = document.querySelector("#takings .area");
  #edge = document.querySelector("#takings .edge");
  #wantsCalm;
  #roundId = null;
  #points = [];
  #drawn = "";
  #roll = { fromMinor: 0, toMinor: 0, beganMs: 0 };

  /** @param {() => boolean} wantsCalm  whether motion is to be avoided */
  constructor(wantsCalm) {
    this.#wantsCalm = wantsCalm;
  }

  /** Show the totals of the round. */
  show(round, moment, nowMs) {
    if (this.#roundId !== round.id) this.#begin(round, nowMs);
    this.#note(round, nowMs);
    const language = document.documentElement.lang;
    say(this.#title, moment.state === "BETTING" ? "Stakes coming in" : "Stakes");
    say(this.#stakes, money(this.#rolled(nowMs), round.currency, language));
    say(this.#tickets, round.tickets.toLocaleString(language));
    this.#draw(round, nowMs);
  }

  /** Show no figures. */
  clear() {
    this.#roundId = null;
    this.#drawn = "";
    for (const text of [this.#stakes, this.#tickets]) say(text, "\u00a0"); // a space keeps the height of the line
    for (const path of [this.#area, this.#edge]) path.removeAttribute("d");
  }

  #begin(round, nowMs) {
    this.#roundId = round.id;
    this.#points = [{ atMs: Math.max(round.opensAtMs, Math.min(nowMs, round.locksAtMs)), stakeMinor: round.stakeMinor }];
    this.#roll = { fromMinor: round.stakeMinor, toMinor: round.stakeMinor, beganMs: nowMs };
  }

  #note(round, nowMs) {
    if (round.stakeMinor === this.#roll.toMinor) return;
    this.#roll = { fromMinor: this.#rolled(nowMs), toMinor: round.stakeMinor, beganMs: nowMs };
    this.#points.push({ atMs: Math.min(nowMs, round.locksAtMs), stakeMinor: round.stakeMinor });
    // A long betting window keeps every second point of its past, so that the line keeps its shape.
    if (this.#points.length > POINTS_MAX) this.#points = this.#points.filter((_, index) => index % 2 === 0);
  }

  /** The amount on its way from the last total to this one. */
  #rolled(nowMs) {
    const { fromMinor, toMinor, beganMs } = this.#roll;
    const share = this.#wantsCalm() ? 1 : Math.min(1, Math.max(0, (nowMs - beganMs) / ROLL_MS));
    if (share === 1) return toMinor;
    const onTheWay = fromMinor + (toMinor - fromMinor) * (1 - (1 - share) ** 3);
    return Math.round(onTheWay / ROLL_STEP_MINOR) * ROLL_STEP_MINOR;
  }

  #draw(round, nowMs) {
    const wholeMs = round.locksAtMs - round.opensAtMs;
    const most = Math.max(1, ...this.#points.map((point) => point.stakeMinor)) * 1.1;
    const until = { atMs: Math.min(nowMs, round.locksAtMs), stakeMinor: round.stakeMinor };
    const corners = [...this.#points, until].map(({ atMs, stakeMinor }) => {
      const x = Math.min(WIDTH, Math.max(0, (WIDTH * (atMs - round.opensAtMs)) / wholeMs));
      return `${x.toFixed(1)} ${(HEIGHT - (HEIGHT * stakeMinor) / most).toFixed(1)}`;
    });
    const edge = `M${corners.join("L")}`;
    if (edge === this.#drawn) return;
    this.#drawn = edge;
    const [firstX] = corners[0].split(" ");
    const [lastX] = corners.at(-1).split(" ");
    this.#edge.setAttribute("d", edge);
    this.#area.setAttribute("d", `${edge}L${lastX} ${HEIGHT}L${firstX} ${HEIGHT}Z`);
  }
}
