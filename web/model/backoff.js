/** How long to wait before the next attempt: longer after every failure, and never the same for all screens. */

const FIRST_MS = 250;
const MAX_MS = 5_000;

/**
 * The wait before the attempt after `failures` failures in a row, in milliseconds.
 *
 * @param {number} failures  at least 1
 * @param {() => number} chance  0 to below 1; it spreads the screens of a shop that lost their connection together
 */
export function waitMs(failures, chance) {
  const longestMs = Math.min(MAX_MS, FIRST_MS * 2 ** (failures - 1));
  return longestMs * (0.5 + 0.5 * chance());
}
