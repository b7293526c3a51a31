/**
 * The race as a pure function of the round and the time: where every runner is now.
 *
 * Every screen in the world sees the same race, and a screen that is opened in the middle of it sees the right moment,
 * because nothing is remembered from frame to frame. How a runner runs comes from the round's commitment, which is
 * public and fixed before the first ticket; when it arrives comes from the result.
 *
 *     progress 0 is the gate, 1 the line; share 0 is startsAt, 1 is finishesAt
 *
 * 1. Progress never falls.
 * 2. Runners pass the line in the order of the result, all of them before finishesAt.
 */

import { chanceOf } from "./chance.js";

const WINNER_SHARE = 0.9;
/** When the winner passes the line; what is left lets the others arrive. */
const FIELD_SHARE_MAX = 0.06;
/** How long after the winner the last one arrives, at most. */
const GAP_SHARE = 0.006;
/** The usual gap between two that arrive one after the other. */
const GATE_SHARE = 0.025;
/** How long it takes to come up to speed. */
const STYLE_MAX = 0.025;
/** How far a front runner may be ahead, and a late closer behind, of an even pace. */
const SURGE_MAX = 0.011;
/** How far a surge carries. Both are so small that nobody ever runs backwards. */
const SURGES = 2;
const RUN_OUT = 0.12;
/** How far runners gallop on behind the line. */

/**
 * Make the plan of a race whose result is known.
 *
 * @returns {{startsAtMs: number, raceMs: number, entries: {number: number, arrives: number, style: number,
 *   surge: number, turn: number}[]}} entries in the order of the result; `arrives` is the share at which a runner
 *   passes the line.
 */
export function planRace(round) {
  const chance = chanceOf(`${round.commitment}/${round.id}`);
  const gaps = round.result.map((_, place) => (place === 0 ? 0 : 0.15 + 1.85 * chance() ** 1.5));
  const sum = gaps.reduce((total, gap) => total + gap, 0) || 1;
  const scale = Math.min(FIELD_SHARE_MAX, GAP_SHARE * (gaps.length - 1)) / sum;
  let arrives = WINNER_SHARE;
  const entries = round.result.map((number, place) => {
    arrives += gaps[place] * scale;
    return {
      number,
      arrives,
      style: STYLE_MAX * (2 * chance() - 1),
      surge: SURGE_MAX * (0.4 + 0.6 * chance()),
      turn: 2 * Math.PI * chance(),
    };
  });
  return { startsAtMs: round.startsAtMs, raceMs: round.finishesAtMs - round.startsAtMs, entries };
}

/** Where everybody is at `nowMs`, the leader first: `{number, progress, hasArrived}`. */
export function fieldAt(plan, nowMs) {
  const share = Math.min(1, Math.max(0, (nowMs - plan.startsAtMs) / plan.raceMs));
  const field = plan.entries.map((entry) => ({
    number: entry.number,
    progress: progressOf(entry, share),
    hasArrived: share >= entry.arrives,
  }));
  // Who has arrived keeps the place of the result, however far the gallop goes on behind the line.
  const arrived = field.filter((runner) => runner.hasArrived);
  const running = field.filter((runner) => !runner.hasArrived).sort((one, other) => other.progress - one.progress);
  return [...arrived, ...running];
}

/** The field before the off: everybody in the gate, in the order of the numbers. */
export function fieldInGate(round) {
  return round.runners.map(({ number }) => ({ number, progress: 0, hasArrived: false }));
}

/** When the winner passes the line. */
export function wonAtMs(plan) {
  return plan.startsAtMs + WINNER_SHARE * plan.raceMs;
}

/** How long after the winner the runner in `place` (1 is the winner) passes the line. */
export function behindMs(plan, place) {
  return (plan.entries[place - 1].arrives - WINNER_SHARE) * plan.raceMs;
}

function progressOf(entry, share) {
  const pace = covered(share) / covered(entry.arrives);
  if (pace >= 1) return 1 + RUN_OUT * (1 - Math.exp((1 - pace) / RUN_OUT));
  const window = Math.sin(Math.PI * pace);
  return pace + window * (entry.style + entry.surge * Math.sin(2 * Math.PI * SURGES * pace + entry.turn));
}

/** The way that an even runner has covered, out of a standing start. */
function covered(share) {
  return share - GATE_SHARE * (1 - Math.exp(-share / GATE_SHARE));
}
