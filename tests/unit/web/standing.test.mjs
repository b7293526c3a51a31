import assert from "node:assert/strict";
import test from "node:test";

import { Standing } from "../../../web/live/standing.js";

/** A standing whose clock and answers the test works. */
function aStanding() {
  const seen = { asked: 0, told: [], nowMs: 0, answer: () => Promise.resolve("as it is") };
  const standing = new Standing({
    ask: () => {
      seen.asked += 1;
      return seen.answer();
    },
    tell: (track) => seen.told.push(track),
    nowMs: () => seen.nowMs,
  });
  const hear = async (kind, atMs) => {
    seen.nowMs = atMs;
    standing.heard({ kind });
    await new Promise(setImmediate);
  };
  return { hear, seen };
}

test("the first frame asks, others after a while, and a transition at once", async () => {
  const { hear, seen } = aStanding();
  // kind, when, how often it was asked by then
  for (const [kind, atMs, asked] of [["UPDATE", 0, 1], ["TICK", 9_999, 1], ["TICK", 10_000, 2], ["TRANSITION", 10_001, 3], ["UPDATE", 20_000, 3]]) {
    await hear(kind, atMs);
    assert.equal(seen.asked, asked, `${kind} at ${atMs}`);
  }
  assert.equal(seen.told.length, 3);
});

test("an answer that does not come leaves what was known, and is asked for again", async () => {
  const { hear, seen } = aStanding();
  await hear("UPDATE", 0);
  seen.answer = () => Promise.reject(new Error("away"));
  await hear("TRANSITION", 1);
  seen.answer = () => Promise.resolve("as it is");
  await hear("TRANSITION", 2);

  assert.deepEqual([seen.asked, seen.told.length], [3, 2]);
});

test("nothing is asked while an answer is on its way", async () => {
  const { hear, seen } = aStanding();
  seen.answer = () => new Promise(() => {});
  for (const atMs of [0, 1, 20_000]) await hear("TRANSITION", atMs);

  assert.equal(seen.asked, 1);
});
