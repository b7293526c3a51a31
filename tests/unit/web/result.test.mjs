import assert from "node:assert/strict";
import test from "node:test";

import { readRound } from "../../../web/model/frame.js";
import { everybody, isDeadHeat, placesOf, winnersOf } from "../../../web/model/result.js";
import { aRound } from "./rounds.mjs";

// result, positions, withdrawn, places, winners
const TABLE = [
  [[4, 2, 6], [],        [],  [[4, 1], [2, 2], [6, 3]], [4]],
  [[4, 2, 6], [1, 1, 3], [],  [[4, 1], [2, 1], [6, 3]], [4, 2]],
  [[4, 2, 6], [1, 2, 2], [3], [[4, 1], [2, 2], [6, 2]], [4]],
  [[4, 2, 6], [1, 0, 0], [],  [[4, 1]],                 [4]],
  [[],        [],        [],  [],                       []],
];

for (const [result, positions, withdrawn, places, winners] of TABLE) {
  test(`the places of ${result} at ${positions}`, () => {
    const round = readRound(aRound({ result, positions, withdrawn }));
    assert.deepEqual([...placesOf(round)], places);
    assert.deepEqual(winnersOf(round), winners);
    assert.deepEqual(everybody(round), [...result, ...withdrawn]);
  });
}

test("runners that share a place have run a dead heat", () => {
  const places = placesOf(readRound(aRound({ result: [4, 2, 6], positions: [1, 1, 3] })));
  assert.deepEqual([4, 2, 6].map((number) => isDeadHeat(places, number)), [true, true, false]);
});
