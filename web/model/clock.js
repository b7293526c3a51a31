/**
 * The server's clock, as far as it can be known here.
 *
 * Every frame says when it was made. It took some time to come, so what it says is too early by that time and never too
 * late: of the last frames the one that travelled fastest is nearest to the truth. Local time is monotonic, so a
 * machine whose clock is set does not disturb a countdown.
 */

const SAMPLES_MAX = 24;

export class ServerClock {
  #monotonicMs;
  #offsetsMs = [];
  #offsetMs = null;

  /** @param {() => number} monotonicMs  milliseconds that only go forward, from any beginning */
  constructor(monotonicMs) {
    this.#monotonicMs = monotonicMs;
  }

  /** Take note of a frame that was made at `serverTimeMs` and has just arrived. */
  hear(serverTimeMs) {
    this.#offsetsMs.push(serverTimeMs - this.#monotonicMs());
    if (this.#offsetsMs.length > SAMPLES_MAX) this.#offsetsMs.shift();
    this.#offsetMs = Math.max(...this.#offsetsMs);
  }

  /** The server's time in milliseconds since the Unix epoch; null before the first frame. */
  nowMs() {
    return this.#offsetMs === null ? null : this.#monotonicMs() + this.#offsetMs;
  }
}
