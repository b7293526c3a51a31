/**
 * Numbers that look random and are the same for everybody who begins with the same text.
 *
 * They choose how a race looks on the way, never who wins it: the draw was made by the server.
 */

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const WEYL = 0x6d2b79f5;
const TWO_TO_32 = 4294967296;

/** A function that gives the next number of the sequence of `text` at every call, 0 to below 1. */
export function chanceOf(text) {
  let state = fnv1a(text);
  return () => {
    // mulberry32: small, even, and the same in every browser, for it is integer arithmetic alone.
    state = (state + WEYL) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / TWO_TO_32;
  };
}

function fnv1a(text) {
  let hash = FNV_OFFSET;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), FNV_PRIME);
  }
  return hash;
}
