/** The course at nightfall: sky, stand, trees, turf, rails, the posts that count the furlongs, gate and line. */

const METRES_PER_FURLONG = 201.168;
const STRIPES_PER_COURSE = 40;
const FAR_RAIL = 0.05;
const NEAR_RAIL = 0.965;
/** Where the rails are, as parts of the turf's height. */
const PARALLAX_HILLS = 0.02;
const PARALLAX_STAND = 0.16;
const PARALLAX_TREES = 0.34;

/** Draw all that lies behind the runners. */
export function drawCourse(ink, view, { distanceM }) {
  sky(ink, view);
  hills(ink, view);
  stand(ink, view);
  lights(ink, view);
  trees(ink, view);
  turf(ink, view);
  furlongs(ink, view, distanceM);
  rail(ink, view, view.turfY + view.turfPx * FAR_RAIL, 0.62);
  gateLine(ink, view);
  finishLine(ink, view);
}

/** Draw what stands before the runners. */
export function drawForeground(ink, view) {
  finishPost(ink, view);
  rail(ink, view, view.turfY + view.turfPx * NEAR_RAIL, 1.5);
  const shade = ink.createLinearGradient(0, view.height * 0.8, 0, view.height);
  shade.addColorStop(0, "rgba(4, 14, 9, 0)");
  shade.addColorStop(1, "rgba(4, 14, 9, 0.45)");
  ink.fillStyle = shade;
  ink.fillRect(0, view.height * 0.8, view.width, view.height * 0.2);
}

function sky(ink, { width, turfY }) {
  const fill = ink.createLinearGradient(0, 0, 0, turfY);
  fill.addColorStop(0, "#0a1720");
  fill.addColorStop(0.55, "#123038");
  fill.addColorStop(0.85, "#2b5650");
  fill.addColorStop(1, "#5d7d62");
  ink.fillStyle = fill;
  ink.fillRect(0, 0, width, turfY + 1);
}

function hills(ink, { width, turfY, coursePx, left }) {
  const shift = left * coursePx * PARALLAX_HILLS;
  for (const [rise, colour, length] of [
    [0.42, "#12302e", 610],
    [0.3, "#0f2927", 380],
  ]) {
    ink.fillStyle = colour;
    ink.beginPath();
    ink.moveTo(0, turfY);
    for (let x = 0; x <= width + 12; x += 12) {
      const at = (x + shift) / length;
      ink.lineTo(x, turfY * (1 - rise * (0.72 + 0.2 * Math.sin(2.1 * at) + 0.12 * Math.sin(5.3 * at + 1))));
    }
    ink.lineTo(width, turfY);
    ink.fill();
  }
}

/** The stand: tiers with lit boxes, one every so often along the course. */
function stand(ink, view) {
  const { turfY, width } = view;
  const unit = turfY / 100;
  const span = 430 * unit;
  repeat(view, PARALLAX_STAND, span * 1.9, (x, index) => {
    if (index % 2 !== 0 || x > width || x + span < 0) return;
    ink.fillStyle = "#0b1f20";
    ink.fillRect(x + 30 * unit, turfY - 46 * unit, 240 * unit, 46 * unit);
    ink.fillStyle = "#0d2626"; // roof
    ink.beginPath();
    ink.moveTo(x + 10 * unit, turfY - 50 * unit);
    ink.lineTo(x + 290 * unit, turfY - 62 * unit);
    ink.lineTo(x + 290 * unit, turfY - 57 * unit);
    ink.lineTo(x + 10 * unit, turfY - 45 * unit);
    ink.fill();
    for (let tier = 0; tier < 3; tier += 1) {
      for (let box = 0; box < 19; box += 1) {
        const isLit = (box * 7 + tier * 5 + index * 3) % 4 !== 0;
        ink.fillStyle = isLit ? "rgba(246, 214, 142, 0.62)" : "rgba(246, 214, 142, 0.12)";
        ink.fillRect(x + (38 + box * 12) * unit, turfY - (38 - tier * 11) * unit, 8.4 * unit, 5 * unit);
      }
    }
  });
}

function lights(ink, view) {
  const unit = view.turfY / 100;
  repeat(view, PARALLAX_STAND * 1.25, 360 * unit, (x) => {
    const top = view.turfY - 84 * unit;
    ink.fillStyle = "#14302f";
    ink.fillRect(x - 0.9 * unit, top, 1.8 * unit, 84 * unit);
    const glow = ink.createRadialGradient(x, top, 0, x, top, 46 * unit);
    glow.addColorStop(0, "rgba(255, 246, 214, 0.5)");
    glow.addColorStop(0.2, "rgba(255, 240, 196, 0.17)");
    glow.addColorStop(1, "rgba(255, 240, 196, 0)");
    ink.fillStyle = glow;
    ink.fillRect(x - 46 * unit, top - 46 * unit, 92 * unit, 92 * unit);
    ink.fillStyle = "#fff7df";
    for (let lamp = -2; lamp <= 2; lamp += 1) ink.fillRect(x + (lamp * 3.4 - 1.2) * unit, top - 1.5 * unit, 2.4 * unit, 3 * unit);
  });
}

function trees(ink, view) {
  const { turfY } = view;
  const unit = turfY / 100;
  repeat(view, PARALLAX_TREES, 34 * unit, (x, index) => {
    const size = (9 + ((index * 37) % 11)) * unit;
    if ((index * 13) % 7 < 2) return;
    ink.fillStyle = index % 2 ? "#0c2a20" : "#0e3125";
    ink.beginPath();
    ink.ellipse(x, turfY - size * 0.55, size * 1.15, size * 0.8, 0, 0, 2 * Math.PI);
    ink.ellipse(x + size * 0.9, turfY - size * 0.4, size * 0.9, size * 0.6, 0, 0, 2 * Math.PI);
    ink.fill();
  });
  ink.fillStyle = "#0d2c21"; // hedge
  ink.fillRect(0, turfY - 7 * unit, view.width, 8 * unit);
}

function turf(ink, view) {
  const { width, height, turfY, turfPx, xOf } = view;
  const fill = ink.createLinearGradient(0, turfY, 0, height);
  fill.addColorStop(0, "#2a6a45");
  fill.addColorStop(0.4, "#1f5a39");
  fill.addColorStop(1, "#123f28");
  ink.fillStyle = fill;
  ink.fillRect(0, turfY, width, turfPx);
  ink.fillStyle = "rgba(190, 240, 190, 0.05)";
  const lean = view.leanAt(turfY);
  const first = Math.floor((view.left - lean / view.coursePx) * STRIPES_PER_COURSE) - 1;
  for (let index = first; xOf(index / STRIPES_PER_COURSE) < width + lean; index += 1) {
    if (index % 2 === 0) across(ink, view, index / STRIPES_PER_COURSE, view.coursePx / STRIPES_PER_COURSE, turfY, height);
  }
}

/** Fill a band of the turf across the course, from `top` to `bottom`. */
function across(ink, { xOf, leanAt }, at, wide, top, bottom) {
  const x = xOf(at);
  ink.beginPath();
  ink.moveTo(x + leanAt(top), top);
  ink.lineTo(x + wide + leanAt(top), top);
  ink.lineTo(x + wide + leanAt(bottom), bottom);
  ink.lineTo(x + leanAt(bottom), bottom);
  ink.fill();
}

/** White rail on posts. */
function rail(ink, view, y, size) {
  const { width, turfPx, coursePx, left } = view;
  const thick = Math.max(1.5, turfPx * 0.011 * size);
  const post = turfPx * 0.05 * size;
  const gap = turfPx * 0.3 * size;
  const shift = (left * coursePx - view.leanAt(y)) % gap;
  ink.fillStyle = "rgba(226, 236, 226, 0.8)";
  for (let x = -shift - gap; x < width + gap; x += gap) ink.fillRect(x, y, thick * 0.9, post);
  ink.fillStyle = "#eef4ec";
  ink.fillRect(0, y - thick, width, thick);
}

/** A post for every furlong that is left to run. */
function furlongs(ink, view, distanceM) {
  const { turfY, turfPx, xOf, width } = view;
  const size = turfPx * 0.062;
  for (let left = 1; left * METRES_PER_FURLONG < distanceM; left += 1) {
    const x = xOf(1 - (left * METRES_PER_FURLONG) / distanceM) + view.leanAt(turfY);
    if (x < -size * 2 || x > width + size * 2) continue;
    ink.fillStyle = "#e9efe6";
    ink.fillRect(x - size * 0.07, turfY - size * 1.9, size * 0.14, size * 2.6);
    ink.beginPath();
    ink.arc(x, turfY - size * 1.9, size * 0.72, 0, 2 * Math.PI);
    ink.fill();
    ink.fillStyle = "#10281d";
    ink.font = `700 ${size * 0.95}px Inter, "Segoe UI", system-ui, sans-serif`;
    ink.textAlign = "center";
    ink.textBaseline = "middle";
    ink.fillText(String(left), x, turfY - size * 1.87);
  }
}

function gateLine(ink, view) {
  const { turfY, turfPx } = view;
  ink.fillStyle = "rgba(240, 246, 238, 0.4)";
  if (isNear(view, 0)) across(ink, view, 0, Math.max(2, turfPx * 0.008), turfY + turfPx * FAR_RAIL, turfY + turfPx * NEAR_RAIL);
}

function finishLine(ink, view) {
  if (!isNear(view, 1)) return;
  const { turfY, turfPx, xOf, leanAt, coursePx } = view;
  const rows = 30;
  const tall = (turfPx * (NEAR_RAIL - FAR_RAIL)) / rows;
  for (let row = 0; row < rows; row += 1) {
    const top = turfY + turfPx * FAR_RAIL + row * tall;
    for (let column = 0; column < 2; column += 1) {
      ink.fillStyle = (row + column) % 2 ? "rgba(250, 250, 245, 0.92)" : "rgba(18, 28, 22, 0.7)";
      across(ink, view, 1 + (column * tall * 0.6) / coursePx, tall * 0.6, top, top + tall);
    }
  }
  const y = turfY + turfPx * FAR_RAIL;
  post(ink, xOf(1) + leanAt(y), y, turfPx * 0.28);
}

function finishPost(ink, view) {
  const y = view.turfY + view.turfPx * NEAR_RAIL;
  if (isNear(view, 1)) post(ink, view.xOf(1) + view.leanAt(y), y, view.turfPx * 0.4);
}

function isNear(view, at) {
  const x = view.xOf(at);
  return x > -view.turfPx && x < view.width + view.turfPx;
}

/** A post in red and white with a disc on top. */
function post(ink, x, y, tall) {
  const wide = tall * 0.045;
  for (let ring = 0; ring < 8; ring += 1) {
    ink.fillStyle = ring % 2 ? "#f5f3ea" : "#d8463c";
    ink.fillRect(x - wide / 2, y - (tall * (ring + 1)) / 8, wide, tall / 8 + 0.5);
  }
  for (const [share, colour] of [
    [0.13, "#d8463c"],
    [0.09, "#f5f3ea"],
    [0.05, "#d8463c"],
  ]) {
    ink.fillStyle = colour;
    ink.beginPath();
    ink.arc(x, y - tall, tall * share, 0, 2 * Math.PI);
    ink.fill();
  }
}

/** Draw something again and again along the course, moving at a part of the speed of the turf. */
function repeat({ width, coursePx, left }, parallax, gap, draw) {
  const shift = left * coursePx * parallax;
  const first = Math.floor((shift - gap) / gap);
  for (let index = first; index * gap - shift < width + gap; index += 1) draw(index * gap - shift, index);
}
