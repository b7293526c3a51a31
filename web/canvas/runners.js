/** The field in its lanes, the far ones first. */

import { silksOf } from "../model/silks.js";
import { drawHorse, HEIGHT, NOSE } from "./horse.js";

const STRIDE_MS = 430;
const START_SHARE = 0.012;
/** The part of the course in which a runner comes from standing to galloping. */

/**
 * Draw the field.
 *
 * @param {CanvasRenderingContext2D} ink
 * @param {object} view  see view.js
 * @param {{number: number, progress: number}[]} field
 * @param {number[]} lanes  runners' numbers from the far rail to the near one
 * @param {number} nowMs  moves the legs
 */
export function drawRunners(ink, view, field, lanes, nowMs) {
  const places = new Map(field.map(({ number, progress }) => [number, progress]));
  lanes.forEach((number, lane) => {
    const progress = places.get(number);
    const unit = (view.horsePx * view.scaleOf(lane)) / HEIGHT;
    const y = view.laneOf(lane);
    const x = view.xOf(progress) + view.leanAt(y) - NOSE * unit;
    if (x < -2 * view.horsePx || x > view.width + 2 * view.horsePx) return;
    const pace = Math.min(1, Math.max(0, progress / START_SHARE));
    const stride = (nowMs / STRIDE_MS + number * 0.37) % 1;
    drawHorse(ink, { x, y, unit, stride, pace, number, silks: silksOf(number) });
  });
}
