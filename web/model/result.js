/**
 * The result as it is read: which place each runner has, and what became of those that have none.
 *
 * Runners of a dead heat share a place, and the places after it are left out: 1, 1, 3. Who did not finish has none, and who
 * was withdrawn took no part.
 */

const DID_NOT_FINISH = 0;

/** The place of each runner that has one, by its number, the winners first. */
export function placesOf(round) {
  const places = round.result.map((number, index) => [number, round.positions[index] ?? index + 1]);
  return new Map(places.filter(([, place]) => place !== DID_NOT_FINISH));
}

/** The runners that are first: one, or those of a dead heat. */
export function winnersOf(round) {
  return [...placesOf(round)].filter(([, place]) => place === 1).map(([number]) => number);
}

/** Everybody: the result, then who was withdrawn. */
export function everybody(round) {
  return [...round.result, ...round.withdrawn];
}

/** Whether another runner has the same place. */
export function isDeadHeat(places, number) {
  const place = places.get(number);
  return [...places.values()].filter((each) => each === place).length > 1;
}
