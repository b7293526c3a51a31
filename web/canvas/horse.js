/**
 * A horse and its jockey from the side, galloping to the right or standing, in units of which the withers are 100 high.
 *
 * The origin is on the ground below the middle of the body; up is negative. A stride is a phase from 0 to 1.
 */

const COATS = ["#5b3a24", "#3b2619", "#7a4d2b", "#2a211d", "#8a6440", "#6b6560"];
const TURN = 2 * Math.PI;

/** Where the nose is, ahead of the origin, in units. */
export const NOSE = 131;
/** The height of horse and jockey, in units. */
export const HEIGHT = 172;

function coatOf(number) {
  return COATS[(number * 7) % COATS.length];
}

/**
 * Draw one.
 *
 * @param {CanvasRenderingContext2D} ink
 * @param {object} pose
 * @param {number} pose.x  where the origin is
 * @param {number} pose.y  where the ground is
 * @param {number} pose.unit  pixels per unit
 * @param {number} pose.stride  phase of the stride
 * @param {number} pose.pace  0 stands, 1 gallops
 * @param {number} pose.number
 * @param {object} pose.silks
 */
export function drawHorse(ink, { x, y, unit, stride, pace, number, silks }) {
  const coat = coatOf(number);
  const rock = pace * Math.sin(TURN * stride);
  ink.save();
  ink.translate(x, y);
  ink.scale(unit, unit);
  ink.lineCap = "round";
  ink.lineJoin = "round";
  shadow(ink, pace);
  ink.translate(0, pace * -6 * (0.5 + 0.5 * Math.cos(TURN * (stride + 0.1))));
  ink.rotate(0.045 * rock);

  const far = shade(coat, -0.35);
  leg(ink, FORE, far, stride + 0.62, pace, -4);
  leg(ink, HIND, far, stride + 0.14, pace, -4);
  tail(ink, shade(coat, -0.55), stride, pace);
  trunk(ink, coat);
  headAndNeck(ink, coat, stride, pace);
  leg(ink, HIND, coat, stride, pace, 4);
  leg(ink, FORE, coat, stride + 0.5, pace, 4);
  cloth(ink, number, silks);
  jockey(ink, silks, stride, pace);
  ink.restore();
}

const HIND = { x: -46, y: -74, thigh: 34, shank: 42, bend: -1, lean: 0.1, thick: 21 };
const FORE = { x: 40, y: -66, thigh: 31, shank: 37, bend: 1, lean: 0.05, thick: 15 };

function shadow(ink, pace) {
  ink.fillStyle = "rgba(2, 10, 6, 0.38)";
  ink.beginPath();
  ink.ellipse(4, 1, 78 + 16 * pace, 7, 0, 0, TURN);
  ink.fill();
}

/** A leg of two bones: it swings, and folds while it comes forward. */
function leg(ink, { x, y, thigh, shank, bend, lean, thick }, colour, phase, pace, aside) {
  const swing = Math.sin(TURN * phase);
  const lift = Math.max(0, Math.cos(TURN * phase));
  const upper = pace * (0.78 * swing + lean) + (1 - pace) * (bend * -0.06);
  const fold = pace * (1.25 * lift + 0.1) + (1 - pace) * 0.08;
  const kneeX = x + aside + thigh * Math.sin(upper);
  const kneeY = y + thigh * Math.cos(upper);
  const lower = upper - fold * (bend > 0 ? 1 : 0.85) + (bend < 0 ? 0.28 * pace : 0);
  const hoofX = kneeX + shank * Math.sin(lower);
  const hoofY = kneeY + shank * Math.cos(lower);
  ink.strokeStyle = ink.fillStyle = colour;
  taper(ink, x + aside, y, thick, kneeX, kneeY, 9.5);
  taper(ink, kneeX, kneeY, 9, hoofX, hoofY, 6);
  ink.strokeStyle = "#17120f";
  ink.lineWidth = 7.5;
  line(ink, hoofX, hoofY, hoofX + 5 * Math.cos(lower), hoofY - 5 * Math.sin(lower) + 1);
}

function trunk(ink, coat) {
  const fill = ink.createLinearGradient(0, -104, 0, -50);
  fill.addColorStop(0, shade(coat, 0.16));
  fill.addColorStop(0.55, coat);
  fill.addColorStop(1, shade(coat, -0.4));
  ink.fillStyle = fill;
  ink.beginPath();
  ink.moveTo(26, -101);
  ink.bezierCurveTo(6, -93, -22, -95, -38, -101);
  ink.bezierCurveTo(-58, -106, -72, -92, -69, -76);
  ink.bezierCurveTo(-66, -62, -50, -58, -38, -60);
  ink.bezierCurveTo(-20, -54, 10, -48, 32, -55);
  ink.bezierCurveTo(52, -58, 66, -70, 64, -84);
  ink.bezierCurveTo(60, -98, 44, -106, 26, -101);
  ink.fill();
}

function headAndNeck(ink, coat, stride, pace) {
  const nod = pace * 5 * Math.sin(TURN * (stride + 0.3));
  const rise = (1 - pace) * -16;
  const back = (1 - pace) * -12;
  const pollX = 90 + nod + back;
  const pollY = -131 + rise - nod * 0.4;
  const fill = ink.createLinearGradient(40, -130, 90, -84);
  fill.addColorStop(0, shade(coat, 0.14));
  fill.addColorStop(1, shade(coat, -0.22));
  ink.fillStyle = fill;
  ink.beginPath();
  ink.moveTo(20, -100);
  ink.bezierCurveTo(44, -112, 64, -132, pollX - 6, pollY - 1);
  ink.lineTo(pollX + 4, pollY);
  ink.bezierCurveTo(pollX + 20, pollY + 5, pollX + 34, pollY + 17, pollX + 41, pollY + 26);
  ink.bezierCurveTo(pollX + 42, pollY + 34, pollX + 35, pollY + 37, pollX + 30, pollY + 34);
  ink.bezierCurveTo(pollX + 20, pollY + 30, pollX + 8, pollY + 30, pollX + 1, pollY + 24);
  ink.bezierCurveTo(pollX - 10, -96 + rise * 0.5, 70, -82, 60, -70);
  ink.bezierCurveTo(44, -66, 24, -84, 20, -100);
  ink.fill();

  ink.beginPath(); // ear
  ink.moveTo(pollX - 6, pollY + 2);
  ink.lineTo(pollX - 5 + nod * 0.2, pollY - 13);
  ink.lineTo(pollX + 4, pollY);
  ink.fill();

  ink.strokeStyle = shade(coat, -0.6);
  ink.lineWidth = 6;
  ink.beginPath(); // mane
  ink.moveTo(28, -104);
  ink.bezierCurveTo(46, -114, 64, -132, pollX - 8, pollY);
  ink.stroke();

  ink.fillStyle = "#100c0a";
  ink.beginPath();
  ink.arc(pollX + 13, pollY + 12, 2.3, 0, TURN);
  ink.fill();
  ink.strokeStyle = "rgba(15, 10, 8, 0.75)";
  ink.lineWidth = 2;
  line(ink, pollX + 2, pollY + 22, pollX + 27, pollY + 17); // bridle
  line(ink, pollX + 27, pollY + 17, 64, -112);
}

function tail(ink, colour, stride, pace) {
  const wave = pace * 7 * Math.sin(TURN * (stride + 0.4));
  const reach = 20 + 38 * pace;
  const drop = 46 - 30 * pace;
  ink.fillStyle = colour;
  ink.beginPath();
  ink.moveTo(-60, -99);
  ink.bezierCurveTo(-74, -106 + wave * 0.3, -66 - reach * 0.6, -98 + wave, -68 - reach, -92 + drop + wave);
  ink.bezierCurveTo(-66 - reach * 0.6, -84 + drop * 0.6 + wave, -72, -84, -64, -84);
  ink.fill();
}

function cloth(ink, number, silks) {
  ink.fillStyle = silks.main;
  ink.beginPath();
  ink.moveTo(-41, -101);
  ink.lineTo(-3, -98);
  ink.lineTo(-6, -70);
  ink.lineTo(-43, -72);
  ink.closePath();
  ink.fill();
  ink.strokeStyle = "rgba(0, 0, 0, 0.25)";
  ink.lineWidth = 1.5;
  ink.stroke();
  ink.fillStyle = silks.ink;
  ink.font = "700 22px Inter, 'Segoe UI', system-ui, sans-serif";
  ink.textAlign = "center";
  ink.textBaseline = "middle";
  ink.fillText(String(number), -23, -84);
}

function jockey(ink, silks, stride, pace) {
  const ride = pace * 3 * Math.sin(TURN * (stride + 0.55));
  const up = (1 - pace) * -4;
  ink.save();
  ink.translate(ride * 0.6, -ride + up);

  ink.strokeStyle = "#f3f0e8"; // breeches
  ink.lineWidth = 12;
  path(ink, [[-6, -123], [21, -112], [2, -95]]);
  ink.strokeStyle = "#14110f"; // boot
  ink.lineWidth = 8;
  path(ink, [[4, -97], [-3, -82], [5, -80]]);

  const shoulder = { x: 34 - 14 * (1 - pace), y: -143 - 8 * (1 - pace) };
  ink.fillStyle = silks.main; // jacket
  ink.beginPath();
  ink.moveTo(-17, -127);
  ink.bezierCurveTo(-14, -143, 12, -155, shoulder.x, shoulder.y - 9);
  ink.bezierCurveTo(shoulder.x + 9, shoulder.y - 3, shoulder.x + 8, shoulder.y + 10, shoulder.x - 2, shoulder.y + 14);
  ink.bezierCurveTo(16, -122, 2, -116, -8, -115);
  ink.bezierCurveTo(-16, -116, -18, -121, -17, -127);
  ink.fill();
  ink.save();
  ink.clip();
  jacketPattern(ink, silks);
  ink.restore();

  ink.strokeStyle = silks.pattern === "plain" ? silks.main : silks.trim; // sleeve
  ink.lineWidth = 9;
  path(ink, [[shoulder.x - 3, shoulder.y + 2], [shoulder.x + 7, shoulder.y + 21], [shoulder.x + 24, shoulder.y + 24]]);
  ink.fillStyle = "#e9c9a8";
  ink.beginPath();
  ink.arc(shoulder.x + 28, shoulder.y + 25, 4.2, 0, TURN); // hand
  ink.arc(shoulder.x + 16, shoulder.y - 9, 9, 0, TURN); // face
  ink.fill();
  ink.fillStyle = silks.trim; // cap
  ink.beginPath();
  ink.arc(shoulder.x + 14, shoulder.y - 13, 11, Math.PI * 0.92, Math.PI * 1.98);
  ink.lineTo(shoulder.x + 33, shoulder.y - 11);
  ink.quadraticCurveTo(shoulder.x + 22, shoulder.y - 8, shoulder.x + 3, shoulder.y - 9);
  ink.fill();
  ink.restore();
}

function jacketPattern(ink, { trim, pattern }) {
  ink.fillStyle = ink.strokeStyle = trim;
  ink.lineWidth = 5;
  const lines = {
    hoops: [[-12, -150, -4, -108], [4, -158, 12, -112], [20, -164, 28, -116]],
    stripes: [[-20, -128, 44, -156], [-20, -118, 44, -146]],
    sash: [[-16, -144, 30, -118]],
    chevron: [[-8, -116, 12, -136], [12, -136, 4, -156]],
    cross: [[-16, -144, 34, -122], [-14, -114, 30, -156]],
  }[pattern];
  if (lines) lines.forEach((ends) => line(ink, ...ends));
  if (pattern === "halves") ink.fillRect(8, -170, 60, 70);
  if (pattern === "spots") {
    for (const [x, y] of [[-8, -124], [3, -134], [14, -127], [16, -145], [28, -137], [28, -150]]) {
      ink.beginPath();
      ink.arc(x, y, 3.2, 0, TURN);
      ink.fill();
    }
  }
}

function taper(ink, x1, y1, width1, x2, y2, width2) {
  const across = Math.atan2(y2 - y1, x2 - x1) + Math.PI / 2;
  const [cos, sin] = [Math.cos(across), Math.sin(across)];
  ink.beginPath();
  ink.arc(x1, y1, width1 / 2, across, across + Math.PI);
  ink.lineTo(x2 - (cos * width2) / 2, y2 - (sin * width2) / 2);
  ink.arc(x2, y2, width2 / 2, across + Math.PI, across + TURN);
  ink.closePath();
  ink.fill();
}

function path(ink, points) {
  ink.beginPath();
  points.forEach(([x, y], index) => (index === 0 ? ink.moveTo(x, y) : ink.lineTo(x, y)));
  ink.stroke();
}

function line(ink, x1, y1, x2, y2) {
  ink.beginPath();
  ink.moveTo(x1, y1);
  ink.lineTo(x2, y2);
  ink.stroke();
}

const shades = new Map();

/** A colour made lighter (up to 1) or darker (down to -1). */
function shade(colour, by) {
  const key = `${colour}${by}`;
  if (!shades.has(key)) {
    const target = by > 0 ? 255 : 0;
    const mixed = [1, 3, 5].map((at) => {
      const value = parseInt(colour.slice(at, at + 2), 16);
      return Math.round(value + (target - value) * Math.abs(by));
    });
    shades.set(key, `rgb(${mixed.join(", ")})`);
  }
  return shades.get(key);
}
