/** The photo finish: the moment in which the winner's nose is on the line, close up and nearly without colour. */

import { fieldAt, wonAtMs } from "../model/race.js";
import { drawCourse, drawForeground } from "./course.js";
import { drawRunners } from "./runners.js";
import { viewOf } from "./view.js";

const ZOOM = 1.3;

/** Draw the photo of a race. */
export function drawPhoto(ink, { width, height }, round, plan, lanes) {
  const atMs = wonAtMs(plan);
  const field = fieldAt(plan, atMs);
  const view = viewOf({ width, height, lanes: lanes.length, progress: 1, zoom: ZOOM });
  drawCourse(ink, view, round);
  drawRunners(ink, view, field, lanes, atMs);
  drawForeground(ink, view);

  ink.save();
  ink.globalCompositeOperation = "saturation";
  ink.fillStyle = "rgba(128, 128, 128, 0.72)";
  ink.fillRect(0, 0, width, height);
  ink.globalCompositeOperation = "source-over";
  const edge = ink.createRadialGradient(width / 2, height * 0.6, height * 0.35, width / 2, height * 0.6, width * 0.75);
  edge.addColorStop(0, "rgba(3, 12, 8, 0)");
  edge.addColorStop(1, "rgba(3, 12, 8, 0.72)");
  ink.fillStyle = edge;
  ink.fillRect(0, 0, width, height);
  ink.restore();
  hairline(ink, view, lanes.indexOf(plan.entries[0].number));
}

/** The hair of the camera, on the winner's nose. */
function hairline(ink, view, lane) {
  const ground = view.laneOf(lane);
  ink.fillStyle = "rgb(244 92 76)";
  ink.fillRect(view.xOf(1) + view.leanAt(ground) - 1, 0, 2, ground);
}
