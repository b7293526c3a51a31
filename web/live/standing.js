/**
 * How a track stands: whether it opens rounds and what of it is suspended. The watch tells of rounds, so this is asked
 * for: with every transition, and now and then while frames come. Without frames nobody asks.
 */

const EVERY_MS = 10_000;

export class Standing {
  #ask;
  #tell;
  #nowMs;
  #askedAtMs = -Infinity;
  #isAsking = false;

  /**
   * @param {object} wiring
   * @param {() => Promise<object>} wiring.ask  reads the track
   * @param {(track: object) => void} wiring.tell  gets what was read
   * @param {() => number} wiring.nowMs  any clock that goes on
   */
  constructor({ ask, tell, nowMs }) {
    this.#ask = ask;
    this.#tell = tell;
    this.#nowMs = nowMs;
  }

  /** A frame came. */
  heard({ kind }) {
    const isDue = kind === "TRANSITION" || this.#nowMs() - this.#askedAtMs >= EVERY_MS;
    if (!isDue || this.#isAsking) return;
    this.#askedAtMs = this.#nowMs();
    this.#isAsking = true;
    this.#ask()
      .then(this.#tell, () => {}) // what was known stays; that the services are away is told by the watch
      .finally(() => (this.#isAsking = false));
  }
}
