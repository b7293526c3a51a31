/** Rounds as the API answers them, for tests. */

const EPOCH_MS = Date.parse("2026-05-02T12:00:00Z");

/** When the round of `aRound()` opens; the rest of its schedule is counted from here. */
export const OPENS_AT_MS = EPOCH_MS;
export const LOCKS_AT_MS = EPOCH_MS + 30_000;
export const STARTS_AT_MS = EPOCH_MS + 31_000;
export const FINISHES_AT_MS = EPOCH_MS + 46_000;
export const ENDS_AT_MS = EPOCH_MS + 52_000;

/** The body of a round, which differs from the usual one by `changes`. */
export function aRound(changes = {}) {
  const at = (ms) => new Date(ms).toISOString();
  return {
    round_id: "17",
    track: "harbour-mile",
    phase: "OPEN",
    screen: "GAME",
    revision: "1",
    opens_at: at(OPENS_AT_MS),
    locks_at: at(LOCKS_AT_MS),
    starts_at: at(STARTS_AT_MS),
    finishes_at: at(FINISHES_AT_MS),
    ends_at: at(ENDS_AT_MS),
    runners: [1, 2, 3, 4, 5, 6].map((runner) => ({
      runner,
      name: `Runner ${runner}`,
      weight: "100",
      win_price_hundredths: String(200 + runner),
      place_price_hundredths: "0",
    })),
    commitment: "8deeb44aaea2fb03cf6855b63e0fea306e65910c02780056b2d9f89fd84eb2bc",
    result: [],
    positions: [],
    withdrawn: [],
    terms: { source: "DRAWN" },
    totals: { tickets: "3", stake_minor: "1500" },
    transition_seq: "1",
    currency: "EUR",
    race_name: "The Test Stakes",
    distance_m: 1200,
    void_reason: "",
    payout_minor: "0",
    ...changes,
  };
}

/** The data of a server-sent event. */
export function aFrame(changes = {}) {
  return JSON.stringify({
    round: aRound(),
    server_time: new Date(OPENS_AT_MS).toISOString(),
    kind: "TRANSITION",
    transition_seq: "1",
    ...changes,
  });
}
