/** The field in its lanes, the far ones first. */

import { silksOf } from "../model/silks.js";
import { drawHorse, HEIGHT, NOSE } from "./horse.js";

const STRIDE_MS = 430;

/**
 * Draw the field.
 *
 * @param {CanvasRenderingContext2D} ink
 * @param {object} view  see view.js
 * @param {{number: number, progress: number, pace: number}[]} field
 * @param {number[]} lanes  runners' numbers from the far rail to the near one
 * @param {number} nowMs  moves the legs
 */
export function drawRunners(ink, view, field, lanes, nowMs) {
  const runners = new Map(field.map((runner) => [runner.number, runner]));
  lanes.forEach((number, lane) => {
    const { progress, pace } = runners.get(number);
    const unit = (view.horsePx * view.scaleOf(lane)) / HEIGHT;
    const y = view.laneOf(lane);
    const x = view.xOf(progress) + view.leanAt(y) - NOSE * unit;
    if (x < -2 * view.horsePx || x > view.width + 2 * view.horsePx) return;
    const stride = (nowMs / STRIDE_MS + number * 0.37) % 1;
    drawHorse(ink, { x, y, unit, stride, pace, number, silks: silksOf(number) });
  });
}
