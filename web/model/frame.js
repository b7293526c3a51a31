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
    watchers: frame.presence?.watchers ?? 0,
    round: readRound(frame.round),
  };
}

/** The round of a frame with the race that an earlier frame of it brought: it is sent once. */
export function withRaceOf(known, round) {
  return round.race === null && known?.id === round.id ? { ...round, race: known.race } : round;
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
    positions: round.positions,
    withdrawn: round.withdrawn,
    isEntered: round.terms?.source === "ENTERED",
    beacon: round.terms?.beacon ?? "",
    beaconRound: Number(round.terms?.beacon_round ?? 0),
    commitment: round.commitment,
    currency: round.currency,
    tickets: Number(round.totals.tickets),
    stakeMinor: Number(round.totals.stake_minor),
    payoutMinor: Number(round.payout_minor),
    voidReason: round.void_reason,
    correctionReason: round.correction_reason ?? "",
    race: round.race ? readRace(round.race) : null,
  };
}

function readRace(race) {
  return {
    intervalMs: race.interval_ms,
    runners: race.runners.map((runner) => ({
      number: runner.runner,
      covered: runner.covered,
      arrivesUs: runner.arrives_us,
      marginHundredths: runner.margin_hundredths,
    })),
  };
}

function readRunner(runner) {
  return {
    number: runner.runner,
    name: runner.name,
    priceHundredths: Number(runner.win_price_hundredths),
    placePriceHundredths: Number(runner.place_price_hundredths),
  };
}
