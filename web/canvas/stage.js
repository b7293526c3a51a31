/**
 * The stage: one canvas that shows the gate before the off, the race, and the photo finish.
 *
 * It draws what it is told the time is and remembers nothing of the frame before, but for what it need not draw again.
 */

import { fieldAt, fieldInGate, planRace } from "../model/race.js";
import { drawCourse, drawForeground } from "./course.js";
import { drawOverview } from "./overview.js";
import { drawPhoto } from "./photo.js";
import { drawRunners } from "./runners.js";
import { viewOf } from "./view.js";

const PIXEL_RATIO_MAX = 2;
const CALM_MS = 250;
/** How often a picture without motion is drawn. */

export class Stage {
  #canvas;
  #ink;
  #wantsCalm;
  #pictured = "";
  #planned = { race: null, plan: null };

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => boolean} wantsCalm  whether motion is to be avoided
   */
  constructor(canvas, wantsCalm) {
    this.#canvas = canvas;
    this.#ink = canvas.getContext("2d", { alpha: false });
    this.#wantsCalm = wantsCalm;
  }

  /** Draw the round at a moment; nothing is drawn when the picture would be the same. */
  draw(round, moment, nowMs) {
    const size = this.#fit();
    const isMoving = moment.state === "RACING";
    const beat = isMoving ? (this.#wantsCalm() ? Math.floor(nowMs / CALM_MS) : nowMs) : 0;
    const picture = [round.id, moment.state, size.width, size.height, this.#wantsCalm(), beat].join();
    if (picture === this.#pictured) return;
    this.#pictured = picture;
    this.#ink.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    this.#paint(round, moment, nowMs, size);
  }

  /** Draw the course without anybody on it. */
  clear() {
    const size = this.#fit();
    const picture = ["empty", size.width, size.height].join();
    if (picture === this.#pictured) return;
    this.#pictured = picture;
    this.#ink.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
    const view = viewOf({ ...size, lanes: 1, progress: 0 });
    drawCourse(this.#ink, view, { distanceM: 0 });
    drawForeground(this.#ink, view);
  }

  /** Where everybody is, the leader first; in the gate before the race. */
  field(round, nowMs) {
    const plan = this.plan(round);
    return plan === null ? fieldInGate(round) : fieldAt(plan, nowMs);
  }

  /** The plan of the round's race; null where it has none. */
  plan(round) {
    if (this.#planned.race !== round.race) this.#planned = { race: round.race, plan: planRace(round) };
    return this.#planned.plan;
  }

  #paint(round, moment, nowMs, size) {
    const field = this.field(round, nowMs);
    const takesPart = new Set(field.map((runner) => runner.number));
    const lanes = round.runners.map((runner) => runner.number).filter((number) => takesPart.has(number));
    const plan = this.plan(round);
    if (moment.state === "RESULT" && plan !== null) {
      drawPhoto(this.#ink, size, round, plan, lanes);
    } else if (moment.state === "RESULT") {
      this.#paintLine(round, size);
    } else if (this.#wantsCalm()) {
      drawOverview(this.#ink, size, field, lanes);
    } else {
      const view = viewOf({ ...size, lanes: lanes.length, progress: Math.max(...field.map((each) => each.progress)) });
      drawCourse(this.#ink, view, round);
      drawRunners(this.#ink, view, field, lanes, nowMs);
      drawForeground(this.#ink, view);
    }
  }

  /** The line with nobody on it, where the race was not seen and the result was corrected. */
  #paintLine(round, size) {
    const view = viewOf({ ...size, lanes: 1, progress: 1 });
    drawCourse(this.#ink, view, round);
    drawForeground(this.#ink, view);
  }

  /** Give the canvas as many pixels as it is large on the screen. */
  #fit() {
    const ratio = Math.min(PIXEL_RATIO_MAX, window.devicePixelRatio || 1);
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== wide || this.#canvas.height !== high) {
      this.#canvas.width = wide;
      this.#canvas.height = high;
      this.#pictured = "";
    }
    return { width, height, ratio };
  }
}
