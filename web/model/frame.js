/**
 * A frame of the watch as values: times as milliseconds since the Unix epoch, whole numbers as numbers.
 *
 * The wire has 64-bit numbers as strings. Those that a screen shows are far below 2^53, where numbers are exact.
 */

/** Read the data of one server-sent event. */
export function readFrame(text) {
  const frame = JSON.parse(text);
  return {
    kind: frame.kind,
    serverTimeMs: Date.parse(frame.server_time),
    transitionSeq: Number(frame.transition_seq),
    round: readRound(frame.round),
  };
}

/** Read a round as the API answers it. */
export function readRound(round) {
  return {
    id: Number(round.round_id),
    revision: Number(round.revision),
    priceRevision: Number(round.price_revision ?? 0),
    track: round.track,
    phase: round.phase,
    screen: round.screen,
    opensAtMs: Date.parse(round.opens_at),
    locksAtMs: Date.parse(round.locks_at),
    startsAtMs: Date.parse(round.starts_at),
    finishesAtMs: Date.parse(round.finishes_at),
    endsAtMs: Date.parse(round.ends_at),
    raceName: round.race_name,
    distanceM: round.distance_m,
    runners: round.runners.map(readRunner),
    result: round.result,
    commitment: round.commitment,
    currency: round.currency,
    tickets: Number(round.totals.tickets),
    stakeMinor: Number(round.totals.stake_minor),
    payoutMinor: Number(round.payout_minor),
    voidReason: round.void_reason,
  };
}

function readRunner(runner) {
  return {
    number: runner.runner,
    name: runner.name,
    priceHundredths: Number(runner.win_price_hundredths),
  };
}
