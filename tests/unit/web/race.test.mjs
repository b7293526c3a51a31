import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { readRound, withRaceOf } from "../../../web/model/frame.js";
import { fieldAt, fieldInGate, planRace, wonAtMs } from "../../../web/model/race.js";
import { aRound, STARTS_AT_MS } from "./rounds.mjs";

const STEPS = 700;
const { races: VECTORS } = JSON.parse(readFileSync(new URL("../../vectors/race.json", import.meta.url), "utf8"));
const ROUNDS = VECTORS.map((vector) => readRound(running(vector)));

/** The body of a round that runs the race of a vector. */
function running({ race_ms: raceMs, result, race }, changes = {}) {
  return aRound({
    phase: "RUNNING",
    finishes_at: new Date(STARTS_AT_MS + raceMs).toISOString(),
    runners: result.map((runner) => ({ runner, name: `Runner ${runner}`, weight: "100", win_price_hundredths: "200" })),
    result,
    race,
    ...changes,
  });
}

function momentsOf(round) {
  const raceMs = round.finishesAtMs - round.startsAtMs;
  return Array.from({ length: STEPS + 1 }, (_, step) => round.startsAtMs + (raceMs * step) / STEPS);
}

test("everybody is where the keyframes say", () => {
  for (const round of ROUNDS) {
    const plan = planRace(round);
    for (let frame = 0; frame <= 32; frame += 1) {
      const field = new Map(fieldAt(plan, STARTS_AT_MS + frame * round.race.intervalMs).map((each) => [each.number, each]));
      for (const { number, covered } of round.race.runners) {
        assert.ok(Math.abs(field.get(number).progress - covered[frame] / 100_000) < 1e-9);
      }
    }
  }
});

test("the field is in the gate when the race starts, in the order of the numbers", () => {
  for (const round of ROUNDS) {
    const numbers = round.result.toSorted((one, other) => one - other);
    for (const nowMs of [STARTS_AT_MS - 5_000, STARTS_AT_MS]) {
      const field = fieldAt(planRace(round), nowMs);
      assert.deepEqual(field.map((runner) => runner.number), numbers);
      assert.ok(field.every((runner) => runner.progress === 0));
    }
  }
});

test("the order at the end is the result, however late one looks", () => {
  for (const round of ROUNDS) {
    for (const lateMs of [0, 1, 60_000]) {
      const order = fieldAt(planRace(round), round.finishesAtMs + lateMs).map((runner) => runner.number);
      assert.deepEqual(order, round.result);
    }
  }
});

test("runners pass the line when they arrive, in the order of the result, and who does not finish never does", () => {
  for (const round of ROUNDS) {
    const plan = planRace(round);
    const arrived = [];
    for (const nowMs of momentsOf(round)) {
      for (const runner of fieldAt(plan, nowMs)) {
        if (runner.hasArrived && !arrived.includes(runner.number)) arrived.push(runner.number);
        assert.ok(runner.hasArrived ? runner.progress >= 1 : runner.progress < 1 + 1e-9);
      }
    }
    const finishers = round.race.runners.filter((runner) => runner.arrivesUs > 0);
    assert.deepEqual(arrived, finishers.map((runner) => runner.number));
  }
});

test("nobody ever runs backwards", () => {
  for (const round of ROUNDS) {
    const plan = planRace(round);
    const reached = new Map(round.result.map((number) => [number, 0]));
    for (const nowMs of momentsOf(round)) {
      for (const { number, progress, pace } of fieldAt(plan, nowMs)) {
        assert.ok(progress >= reached.get(number), `${number} of ${round.result} at ${nowMs - STARTS_AT_MS} ms`);
        assert.ok(pace >= 0 && pace <= 1);
        reached.set(number, progress);
      }
    }
  }
});

test("the leader comes first while the race runs", () => {
  for (const round of ROUNDS) {
    const plan = planRace(round);
    for (const nowMs of momentsOf(round)) {
      const running = fieldAt(plan, nowMs).filter((runner) => !runner.hasArrived);
      assert.deepEqual(running, [...running].sort((one, other) => other.progress - one.progress || one.number - other.number));
    }
  }
});

test("the field gallops on the way and stands in the gate and where it has pulled up", () => {
  const round = ROUNDS[2];
  const plan = planRace(round);
  const paces = (nowMs) => new Map(fieldAt(plan, nowMs).map((runner) => [runner.number, runner.pace]));

  assert.ok([...paces(STARTS_AT_MS).values()].every((pace) => pace < 0.3));
  assert.equal(paces(STARTS_AT_MS + 3_000).get(3), 1);
  assert.ok(paces(round.finishesAtMs - 500).get(1) < 0.3);
});

test("every screen sees the same race at the same moment", () => {
  const [, round] = ROUNDS;
  const fromTheStart = planRace(round);
  momentsOf(round).forEach((nowMs) => fieldAt(fromTheStart, nowMs));

  const nowMs = STARTS_AT_MS + 7_321;
  assert.deepEqual(fieldAt(planRace(structuredClone(round)), nowMs), fieldAt(fromTheStart, nowMs));
});

test("the photo is taken when the winner is on the line, alone or in a dead heat", () => {
  for (const round of ROUNDS) {
    const plan = planRace(round);
    const onTheLine = fieldAt(plan, wonAtMs(plan)).filter((runner) => runner.progress >= 1);
    const together = round.race.runners.filter((runner) => runner.arrivesUs === round.race.runners[0].arrivesUs);
    assert.deepEqual(onTheLine.map((runner) => runner.number), together.map((runner) => runner.number));
    assert.ok(onTheLine.every((runner) => Math.abs(runner.progress - 1) < 1e-6));
  }
});

test("before the start everybody stands in the gate, and there is no race", () => {
  const round = readRound(aRound());
  const gate = fieldInGate(round);

  assert.equal(planRace(round), null);
  assert.deepEqual(gate.map((runner) => runner.number), [1, 2, 3, 4, 5, 6]);
  assert.ok(gate.every((runner) => runner.progress === 0 && !runner.hasArrived));
});

test("a race is kept through the frames that do not bring it again, and not for another round", () => {
  const [round] = ROUNDS;
  const finished = readRound(running(VECTORS[0], { phase: "FINISHED", race: null }));
  const next = readRound(aRound({ round_id: "18" }));

  assert.equal(withRaceOf(round, finished).race, round.race);
  assert.equal(withRaceOf(round, finished).phase, "FINISHED");
  assert.equal(withRaceOf(round, next).race, null);
  assert.equal(withRaceOf(null, round), round);
});
