/** The silks of a runner as a small picture: a jacket and a cap. */

import { silksOf } from "../model/silks.js";
import { svg } from "./element.js";

const JACKET = "M17 15 L24 12 Q32 17 40 12 L47 15 L60 30 L51 39 L46 34 L46 56 L18 56 L18 34 L13 39 L4 30 Z";
let made = 0;

/** A picture of the silks of a number, for eyes only: the number stands beside it. */
export function badge(number) {
  const { main, trim, pattern } = silksOf(number);
  const id = `jacket-${(made += 1)}`;
  const clip = svg("clipPath", { id }, svg("path", { d: JACKET }));
  const jacket = svg("g", { "clip-path": `url(#${id})` }, svg("rect", { width: 64, height: 64, fill: main }), ...patternOf(pattern, trim));
  return svg(
    "svg",
    { viewBox: "0 0 64 60", class: "badge", "aria-hidden": "true" },
    clip,
    jacket,
    svg("path", { d: JACKET, fill: "none", stroke: "rgba(255,255,255,.28)", "stroke-width": 2, "stroke-linejoin": "round" }),
    svg("path", { d: "M21 11 A11 11 0 0 1 43 11 L50 12 Q46 15 40 14 L21 14 Z", fill: trim, stroke: "rgba(255,255,255,.28)", "stroke-width": 1.5 }),
  );
}

function patternOf(pattern, trim) {
  const band = (d, width = 6) => svg("path", { d, stroke: trim, "stroke-width": width, fill: "none" });
  switch (pattern) {
    case "hoops":
      return [band("M0 24H64"), band("M0 37H64"), band("M0 50H64")];
    case "stripes":
      return [band("M23 0V64", 5), band("M32 0V64", 5), band("M41 0V64", 5)];
    case "sash":
      return [band("M10 16L54 60", 9)];
    case "halves":
      return [svg("rect", { x: 32, width: 32, height: 64, fill: trim })];
    case "chevron":
      return [band("M12 22L32 38L52 22", 8)];
    case "cross":
      return [band("M14 18L50 58", 6), band("M50 18L14 58", 6)];
    case "spots":
      return [
        [24, 24], [40, 24], [32, 34], [24, 45], [40, 45], [10, 30], [54, 30],
      ].map(([cx, cy]) => svg("circle", { cx, cy, r: 3.6, fill: trim }));
    default:
      return [];
  }
}
