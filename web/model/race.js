/**
 * Where every runner is at a moment: the race that the server published, as a pure function of the time.
 *
 * Every screen in the world sees the same race, and a screen that is opened in the middle of it sees the right moment,
 * because nothing is remembered from frame to frame. The server says where everybody is at each keyframe and when each
 * passes the line; in between, a curve through these points is drawn that never falls.
 *
 *     progress 0 is the gate, 1 the line
 *
 * 1. Progress never falls.
 * 2. Runners pass the line when the server says, which is in the order of the result.
 */

const LINE_PARTS = 100_000;
const US_PER_MS = 1_000;
const GRAINS_PER_MS = 1_024;
/** A time of day in milliseconds has no finer grain that is exact. */
const PACE_LOOK_MS = 40;
/** How far ahead a runner is looked at to see how fast it is. */
const GALLOP = 0.5;
/** The part of an even pace from which on a runner gallops. */

/**
 * Make the plan of a round's race; null where it has none: before the start, and after a correction that was all we saw.
 *
 * @returns {null | {startsAtMs: number, raceMs: number, wonMs: number, entries: {number: number, arrivesMs: number,
 *   marginHundredths: number, curve: object}[]}} entries in the order of the result; `arrivesMs` is counted from the
 *   start and Infinity for who does not finish.
 */
export function planRace(round) {
  if (round.race === null) return null;
  const { intervalMs, runners } = round.race;
  const raceMs = round.finishesAtMs - round.startsAtMs;
  const entries = runners.map(({ number, covered, arrivesUs, marginHundredths }) => {
    const arrivesMs = arrivesUs > 0 ? arrivesUs / US_PER_MS : Infinity;
    return { number, arrivesMs, marginHundredths, curve: curveOf(pointsOf(covered, intervalMs, arrivesMs)) };
  });
  const wonMs = Math.ceil(Math.min(entries[0].arrivesMs, raceMs) * GRAINS_PER_MS) / GRAINS_PER_MS;
  return { startsAtMs: round.startsAtMs, raceMs, wonMs, entries };
}

/** Where everybody is at `nowMs`, the leader first: `{number, progress, pace, hasArrived}`; a pace of 1 is a gallop. */
export function fieldAt(plan, nowMs) {
  const atMs = Math.max(0, nowMs - plan.startsAtMs);
  const field = plan.entries.map(({ number, arrivesMs, curve }) => {
    const progress = valueAt(curve, atMs);
    const speed = ((valueAt(curve, atMs + PACE_LOOK_MS) - progress) / PACE_LOOK_MS) * plan.raceMs;
    const hasArrived = atMs >= arrivesMs;
    return { number, progress, pace: hasArrived ? 1 : Math.min(1, speed / GALLOP), hasArrived };
  });
  // Who has arrived keeps the place of the result, however far the gallop goes on behind the line.
  const arrived = field.filter((runner) => runner.hasArrived);
  const running = field.filter((runner) => !runner.hasArrived);
  return [...arrived, ...running.sort((one, other) => other.progress - one.progress || one.number - other.number)];
}

/** The field before the off: everybody in the gate, in the order of the numbers. */
export function fieldInGate(round) {
  return round.runners.map(({ number }) => ({ number, progress: 0, pace: 0, hasArrived: false }));
}

/** When the winner passes the line. */
export function wonAtMs(plan) {
  return plan.startsAtMs + plan.wonMs;
}

/** The points that a runner's curve goes through: its keyframes, and its nose on the line. */
function pointsOf(covered, intervalMs, arrivesMs) {
  const points = covered.map((parts, index) => ({ atMs: index * intervalMs, progress: parts / LINE_PARTS }));
  if (arrivesMs === Infinity || points.some(({ atMs }) => atMs === arrivesMs)) return points;
  return [...points, { atMs: arrivesMs, progress: 1 }].sort((one, other) => one.atMs - other.atMs);
}

/**
 * A smooth curve through points: cubic pieces with the slopes of Fritsch and Butland, which never overshoot. It begins
 * standing, and after its last point it stays where it is.
 */
function curveOf(points) {
  const steps = points.slice(1).map((point, index) => {
    const ms = point.atMs - points[index].atMs;
    return { ms, slope: (point.progress - points[index].progress) / ms };
  });
  const slopes = points.map((_, index) => {
    const [before, after] = [steps[index - 1], steps[index]];
    if (before === undefined) return 0;
    if (after === undefined) return before.slope;
    if (before.slope <= 0 || after.slope <= 0) return 0;
    const [one, other] = [2 * after.ms + before.ms, after.ms + 2 * before.ms];
    return (one + other) / (one / before.slope + other / after.slope);
  });
  return { points, steps, slopes };
}

function valueAt({ points, steps, slopes }, atMs) {
  const next = points.findIndex((point) => point.atMs > atMs);
  if (next === -1) return points.at(-1).progress;
  const at = next - 1;
  const { ms, slope } = steps[at];
  const share = (atMs - points[at].atMs) / ms;
  const bend = (slopes[at] + slopes[next] - 2 * slope) * share;
  return points[at].progress + ms * share * (slopes[at] + share * (3 * slope - 2 * slopes[at] - slopes[next] + bend));
}
