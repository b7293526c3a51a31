import assert from "node:assert/strict";
import test from "node:test";

import { readRound } from "../../../web/model/frame.js";
import { notSold, opensRounds, readTrack, SELLS_ALL } from "../../../web/model/track.js";
import { aRound } from "./rounds.mjs";

/** A track as the API answers it, with these parts suspended. */
function aTrack(state, ...suspended) {
  const part = { market: "MARKET_UNSPECIFIED", runner: 0, terminal: "", round_id: "0", reason: "a loose horse" };
  return readTrack({ track: "harbour-mile", display_name: "", state, suspended: suspended.map((named) => ({ ...part, ...named })) });
}

// state, suspended parts, everything, markets, runners of round 17
const TABLE = [
  ["RUNNING",   [],                                  false, [],        []],
  ["PAUSED",    [],                                  false, [],        []],
  ["SUSPENDED", [],                                  true,  [],        []],
  ["RUNNING",   [{ market: "PLACE" }],               false, ["PLACE"], []],
  ["RUNNING",   [{ runner: 3, round_id: "17" }],     false, [],        [3]],
  ["RUNNING",   [{ runner: 3, round_id: "16" }],     false, [],        []],
  ["RUNNING",   [{ terminal: "till-3" }],            false, [],        []],
];

for (const [state, parts, all, markets, runners] of TABLE) {
  test(`what is not sold of a ${state} track with ${JSON.stringify(parts)}`, () => {
    const unsold = notSold(aTrack(state, ...parts), readRound(aRound()));
    assert.deepEqual([unsold.all, [...unsold.markets], [...unsold.runners]], [all, markets, runners]);
  });
}

test("only a track that runs opens its next round by itself", () => {
  assert.deepEqual(["RUNNING", "PAUSED", "SUSPENDED"].map((state) => opensRounds(aTrack(state))), [true, false, false]);
  assert.ok(opensRounds(SELLS_ALL));
});

test("a track without a name for people is called by the other one", () => {
  assert.deepEqual([aTrack("RUNNING").name, aTrack("RUNNING").title], ["harbour-mile", "harbour-mile"]);
});
