import assert from "node:assert/strict";
import test from "node:test";

import { readRound } from "../../../web/model/frame.js";
import { momentOf } from "../../../web/model/moment.js";
import { aRound, ENDS_AT_MS, FINISHES_AT_MS, LOCKS_AT_MS, OPENS_AT_MS, STARTS_AT_MS } from "./rounds.mjs";

// phase, now, state, screen, time left in ms, share left
const TABLE = [
  ["OPEN",     OPENS_AT_MS,             "BETTING", "GAME",   30_000, 1],
  ["OPEN",     OPENS_AT_MS - 50,        "BETTING", "GAME",   30_050, 1],
  ["OPEN",     OPENS_AT_MS + 15_000,    "BETTING", "GAME",   15_000, 0.5],
  ["OPEN",     LOCKS_AT_MS - 1,         "BETTING", "GAME",   1,      1 / 30_000],
  ["OPEN",     LOCKS_AT_MS,             "CLOSED",  "GAME",   1_000,  1],
  ["OPEN",     ENDS_AT_MS,              "CLOSED",  "GAME",   0,      0],
  ["LOCKED",   LOCKS_AT_MS + 500,       "CLOSED",  "GAME",   500,    0.5],
  ["LOCKED",   FINISHES_AT_MS,          "CLOSED",  "GAME",   0,      0],
  ["RUNNING",  STARTS_AT_MS,            "RACING",  "MOVIE",  15_000, 1],
  ["RUNNING",  FINISHES_AT_MS - 3_000,  "RACING",  "MOVIE",  3_000,  0.2],
  ["RUNNING",  ENDS_AT_MS,              "RACING",  "MOVIE",  0,      0],
  ["FINISHED", FINISHES_AT_MS + 3_000,  "RESULT",  "FINISH", 3_000,  0.5],
  ["SETTLED",  FINISHES_AT_MS + 3_000,  "RESULT",  "FINISH", 3_000,  0.5],
  ["SETTLED",  ENDS_AT_MS + 9_000,      "RESULT",  "FINISH", 0,      0],
  ["VOID",     LOCKS_AT_MS,             "VOID",    "NONE",   0,      0],
];

for (const [phase, nowMs, state, screen, leftMs, leftShare] of TABLE) {
  test(`${phase} at ${nowMs - OPENS_AT_MS} ms is ${state} with ${leftMs} ms left`, () => {
    assert.deepEqual(momentOf(readRound(aRound({ phase })), nowMs), { state, screen, leftMs, leftShare });
  });
}

// phase, now, state, of a round whose result is entered
const ENTERED = [
  ["OPEN",    LOCKS_AT_MS - 1,  "BETTING"],
  ["LOCKED",  STARTS_AT_MS - 1, "CLOSED"],
  ["LOCKED",  STARTS_AT_MS,     "AWAITING"],
  ["LOCKED",  ENDS_AT_MS,       "AWAITING"],
  ["RUNNING", STARTS_AT_MS,     "RACING"],
  ["VOID",    ENDS_AT_MS,       "VOID"],
];

for (const [phase, nowMs, state] of ENTERED) {
  test(`${phase} at ${nowMs - OPENS_AT_MS} ms is ${state} where the result is entered`, () => {
    const round = readRound(aRound({ phase, terms: { source: "ENTERED" } }));
    assert.equal(momentOf(round, nowMs).state, state);
    if (state === "AWAITING") {
      assert.deepEqual(momentOf(round, nowMs), { state, screen: "GAME", leftMs: 0, leftShare: 0 });
    }
  });
}
