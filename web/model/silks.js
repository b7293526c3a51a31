/**
 * The silks of every saddle-cloth number: a colour that is told apart across a shop, and a pattern.
 *
 * The first twelve have the colours that racecourses give to saddle cloths. Higher numbers take the colours again with
 * another pattern and trim, so that no two of a field of forty look alike.
 */

const COLOURS = [
  "#e5483f", // 1  red
  "#f4f1e8", // 2  white
  "#3f7fe0", // 3  blue
  "#f4cf3d", // 4  yellow
  "#2fae66", // 5  green
  "#33383d", // 6  black
  "#f28a2e", // 7  orange
  "#f39ac0", // 8  pink
  "#35c2c9", // 9  turquoise
  "#8f5bd1", // 10 purple
  "#a7b0b8", // 11 grey
  "#b4dc4a", // 12 lime
];
const LIGHT = "#f4f1e8";
const DARK = "#1d2226";
const PATTERNS = ["plain", "hoops", "sash", "halves", "stripes", "spots", "chevron", "cross"];
const LIGHT_COLOURS = new Set(["#f4f1e8", "#f4cf3d", "#f39ac0", "#a7b0b8", "#b4dc4a", "#35c2c9", "#f28a2e"]);

/**
 * The silks of a number.
 *
 * @returns {{main: string, trim: string, ink: string, pattern: string}} `ink` is read on `main`.
 */
export function silksOf(number) {
  const turn = Math.floor((number - 1) / COLOURS.length);
  const main = COLOURS[(number - 1) % COLOURS.length];
  const contrast = LIGHT_COLOURS.has(main) ? DARK : LIGHT;
  const trim = turn === 0 ? contrast : COLOURS[(number + 3 * turn) % COLOURS.length];
  return { main, trim, ink: contrast, pattern: PATTERNS[(number - 1 + 3 * turn) % PATTERNS.length] };
}
