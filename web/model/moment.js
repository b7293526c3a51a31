/**
 * The moment of a round: what a screen shows now, and what it counts down to.
 *
 *     BETTING ──▶ CLOSED ──▶ RACING ──▶ RESULT           VOID may follow BETTING, CLOSED or AWAITING
 *     to locksAt  to startsAt to finishesAt to endsAt
 *                  │         ▲
 *                  └─ AWAITING   from startsAt, where the result is entered by somebody who sees the race elsewhere: no
 *                                time tells when it comes
 *
 * What is durable leads: a race is shown when the server says that it runs. Only the end of betting comes by the clock
 * alone, because no ticket is taken from that time on, whatever is heard.
 */

const PHASES = {
  OPEN: { state: "BETTING", screen: "GAME", from: "opensAtMs", to: "locksAtMs" },
  AWAITED: { state: "AWAITING", screen: "GAME", from: "startsAtMs", to: "startsAtMs" },
  LOCKED: { state: "CLOSED", screen: "GAME", from: "locksAtMs", to: "startsAtMs" },
  RUNNING: { state: "RACING", screen: "MOVIE", from: "startsAtMs", to: "finishesAtMs" },
  FINISHED: { state: "RESULT", screen: "FINISH", from: "finishesAtMs", to: "endsAtMs" },
  SETTLED: { state: "RESULT", screen: "FINISH", from: "finishesAtMs", to: "endsAtMs" },
  VOID: { state: "VOID", screen: "NONE", from: "opensAtMs", to: "opensAtMs" },
};

/**
 * The moment of `round` at `nowMs`.
 *
 * @returns {{state: string, screen: string, leftMs: number, leftShare: number}} `leftMs` is never negative; `leftShare`
 *   is the part of this stretch that is still to come, 1 to 0.
 */
export function momentOf(round, nowMs) {
  const isPastLock = round.phase === "OPEN" && nowMs >= round.locksAtMs;
  const isAwaited = round.isEntered && round.phase === "LOCKED" && nowMs >= round.startsAtMs;
  const { state, screen, from, to } = PHASES[isPastLock ? "LOCKED" : isAwaited ? "AWAITED" : round.phase];
  const leftMs = Math.max(0, round[to] - nowMs);
  const wholeMs = round[to] - round[from];
  return { state, screen, leftMs, leftShare: wholeMs > 0 ? Math.min(1, leftMs / wholeMs) : 0 };
}
