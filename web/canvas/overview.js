/** The whole course at one look, for those who want no motion: a strip for each runner, a marker where it is. */

import { silksOf } from "../model/silks.js";

const FONT = 'Inter, "Segoe UI", system-ui, sans-serif';

/** Draw where the field is; the markers move along, nothing else does. */
export function drawOverview(ink, { width, height }, field, lanes) {
  const fill = ink.createLinearGradient(0, 0, 0, height);
  fill.addColorStop(0, "#16402c");
  fill.addColorStop(1, "#0f2f20");
  ink.fillStyle = fill;
  ink.fillRect(0, 0, width, height);

  const places = new Map(field.map(({ number, progress }) => [number, progress]));
  const left = width * 0.06;
  const right = width * 0.92;
  const top = height * 0.2;
  const gap = (height * 0.68) / lanes.length;
  const size = Math.min(gap * 0.42, 22);
  ink.textAlign = "center";
  ink.textBaseline = "middle";
  lanes.forEach((number, lane) => {
    const y = top + gap * (lane + 0.5);
    const x = left + (right - left) * Math.min(1.02, places.get(number));
    const silks = silksOf(number);
    ink.fillStyle = "rgba(230, 245, 232, 0.13)";
    ink.fillRect(left, y - 1, right - left, 2);
    ink.fillStyle = silks.main;
    ink.beginPath();
    ink.arc(x, y, size, 0, 2 * Math.PI);
    ink.fill();
    ink.strokeStyle = "rgba(255, 255, 255, 0.4)";
    ink.lineWidth = 1.5;
    ink.stroke();
    ink.fillStyle = silks.ink;
    ink.font = `700 ${size * 1.05}px ${FONT}`;
    ink.fillText(String(number), x, y + size * 0.05);
  });
  ink.fillStyle = "#d8463c";
  ink.fillRect(right - 2, top - 8, 4, gap * lanes.length + 16);
}
