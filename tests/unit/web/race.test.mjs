import assert from "node:assert/strict";
import test from "node:test";

import { readRound } from "../../../web/model/frame.js";
import { behindMs, fieldAt, fieldInGate, planRace, wonAtMs } from "../../../web/model/race.js";
import { aRound, FINISHES_AT_MS, STARTS_AT_MS } from "./rounds.mjs";

const STEPS = 400;

/** Races of many sizes, results and seeds. */
function races() {
  const seeds = ["00", "5f", "8deeb44a", "ffffffff", "c0ffee"];
  return [2, 3, 6, 14, 40].flatMap((size) =>
    seeds.map((commitment, turn) => {
      const numbers = Array.from({ length: size }, (_, index) => index + 1);
      const result = numbers.map((_, index) => numbers[(index * 7 + turn * 3) % size]);
      const order = new Set(result).size === size ? result : numbers.reverse();
      return readRound(aRound({ round_id: String(100 + turn), commitment, phase: "RUNNING", result: order }));
    }),
  );
}

function momentsOf(round) {
  const raceMs = round.finishesAtMs - round.startsAtMs;
  return Array.from({ length: STEPS + 1 }, (_, step) => round.startsAtMs + (raceMs * step) / STEPS);
}

test("the field is in the gate when the race starts and behind the line when it is over", () => {
  for (const round of races()) {
    const plan = planRace(round);
    assert.ok(fieldAt(plan, STARTS_AT_MS - 5_000).every((runner) => runner.progress === 0));
    assert.ok(fieldAt(plan, STARTS_AT_MS).every((runner) => runner.progress === 0));
    assert.ok(fieldAt(plan, FINISHES_AT_MS).every((runner) => runner.hasArrived && runner.progress >= 1));
  }
});

test("the order at the end is the result, however late one looks", () => {
  for (const round of races()) {
    for (const lateMs of [0, 1, 60_000]) {
      const order = fieldAt(planRace(round), FINISHES_AT_MS + lateMs).map((runner) => runner.number);
      assert.deepEqual(order, round.result);
    }
  }
});

test("runners pass the line in the order of the result", () => {
  for (const round of races()) {
    const plan = planRace(round);
    const arrived = [];
    for (const nowMs of momentsOf(round)) {
      for (const runner of fieldAt(plan, nowMs)) {
        if (runner.hasArrived && !arrived.includes(runner.number)) arrived.push(runner.number);
        assert.equal(runner.hasArrived, runner.progress >= 1);
      }
    }
    assert.deepEqual(arrived, round.result);
  }
});

test("nobody ever runs backwards", () => {
  for (const round of races()) {
    const plan = planRace(round);
    const reached = new Map(round.result.map((number) => [number, 0]));
    for (const nowMs of momentsOf(round)) {
      for (const { number, progress } of fieldAt(plan, nowMs)) {
        assert.ok(progress >= reached.get(number), `${number} of ${round.result} at ${nowMs - STARTS_AT_MS} ms`);
        reached.set(number, progress);
      }
    }
  }
});

test("the leader comes first while the race runs", () => {
  for (const round of races()) {
    const plan = planRace(round);
    for (const nowMs of momentsOf(round)) {
      const running = fieldAt(plan, nowMs).filter((runner) => !runner.hasArrived);
      assert.deepEqual(running, [...running].sort((one, other) => other.progress - one.progress));
    }
  }
});

test("every screen sees the same race at the same moment", () => {
  const round = readRound(aRound({ phase: "RUNNING", result: [4, 2, 6, 1, 3, 5] }));
  const fromTheStart = planRace(round);
  momentsOf(round).forEach((nowMs) => fieldAt(fromTheStart, nowMs));

  const nowMs = STARTS_AT_MS + 7_321;
  assert.deepEqual(fieldAt(planRace(structuredClone(round)), nowMs), fieldAt(fromTheStart, nowMs));
});

test("another commitment makes another race of the same result", () => {
  const result = [4, 2, 6, 1, 3, 5];
  const one = planRace(readRound(aRound({ result })));
  const other = planRace(readRound(aRound({ result, commitment: "00" })));

  assert.notDeepEqual(fieldAt(one, STARTS_AT_MS + 7_000), fieldAt(other, STARTS_AT_MS + 7_000));
});

test("the photo is taken when the winner alone is on the line", () => {
  for (const round of races()) {
    const [winner, ...others] = fieldAt(planRace(round), wonAtMs(planRace(round)));
    assert.equal(winner.number, round.result[0]);
    assert.ok(Math.abs(winner.progress - 1) < 1e-9);
    assert.ok(others.every((runner) => runner.progress < 1));
  }
});

test("the gaps behind the winner grow with the place and end before the race does", () => {
  for (const round of races()) {
    const plan = planRace(round);
    const gapsMs = round.result.map((_, index) => behindMs(plan, index + 1));
    assert.equal(gapsMs[0], 0);
    assert.ok(gapsMs.every((gapMs, index) => index === 0 || gapMs > gapsMs[index - 1]));
    assert.ok(wonAtMs(plan) + gapsMs.at(-1) < FINISHES_AT_MS);
  }
});

test("before the draw everybody stands in the gate", () => {
  const gate = fieldInGate(readRound(aRound()));

  assert.deepEqual(gate.map((runner) => runner.number), [1, 2, 3, 4, 5, 6]);
  assert.ok(gate.every((runner) => runner.progress === 0 && !runner.hasArrived));
});
