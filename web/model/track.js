/** A track as values: whether it opens rounds, and what of it is not sold now. */

/** A track of which nothing is known yet: it sells what its rounds offer. */
export const SELLS_ALL = { state: "RUNNING", suspended: [] };

/** Read a track as the API answers it. */
export function readTrack(track) {
  return {
    name: track.track,
    title: track.display_name || track.track,
    state: track.state,
    suspended: track.suspended.map(({ market, runner, round_id: roundId }) => ({
      market: market === "MARKET_UNSPECIFIED" ? "" : market,
      runner,
      roundId: Number(roundId),
    })),
  };
}

/**
 * What of a round is not sold because the house suspended it. Terminals are left out: a screen is none.
 *
 * @returns {{all: boolean, markets: Set<string>, runners: Set<number>}}
 */
export function notSold(track, round) {
  return {
    all: track.state === "SUSPENDED",
    markets: new Set(track.suspended.map(({ market }) => market).filter((market) => market !== "")),
    runners: new Set(track.suspended.filter((part) => part.runner > 0 && part.roundId === round.id).map(({ runner }) => runner)),
  };
}

/** Whether the next round comes by itself. */
export function opensRounds(track) {
  return track.state === "RUNNING";
}
