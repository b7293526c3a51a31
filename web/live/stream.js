/**
 * The watch of one track: an EventSource that is opened again, after any break, behind the last transition seen.
 *
 *     connecting ──open──▶ live ──error, silence──▶ waiting ──backoff──▶ connecting
 *
 * The browser would open it again by itself, but at the address that it began with, and so would see transitions
 * twice. The server is asked to say something every TICK_MS, so that a connection that died without a word is found.
 */

import { waitMs } from "../model/backoff.js";
import { readFrame } from "../model/frame.js";

const UPDATE_MS = 1_000;
const TICK_MS = 4_000;
const SILENCE_MAX_MS = 10_000;

export class Stream {
  #track;
  #hear;
  #tell;
  #parts;
  #source = null;
  #timer = null;
  #after = 0;
  #isLive = false;
  #failures = 0;

  /**
   * @param {object} wiring
   * @param {string} wiring.track
   * @param {(frame: object) => void} wiring.hear  gets every frame once, transitions in order
   * @param {(state: "connecting" | "live" | "waiting") => void} wiring.tell  gets every change of the connection
   * @param {object} wiring.parts  `openSource(url)`, `setTimer(act, ms)`, `clearTimer(timer)`, `chance()`
   */
  constructor({ track, hear, tell, parts }) {
    this.#track = track;
    this.#hear = hear;
    this.#tell = tell;
    this.#parts = parts;
  }

  /** Begin, or try again at once. */
  open() {
    this.close();
    this.#isLive = false;
    this.#tell("connecting");
    const source = this.#parts.openSource(this.#url());
    source.onopen = () => this.#live();
    source.onmessage = ({ data }) => this.#receive(data);
    source.onerror = () => this.#fail();
    this.#source = source;
    this.#listen();
  }

  /** End; nothing is heard any more. */
  close() {
    this.#parts.clearTimer(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #url() {
    const query = new URLSearchParams({ update_interval_ms: UPDATE_MS, tick_interval_ms: TICK_MS });
    if (this.#after > 0) query.set("after", this.#after);
    return `/v1/tracks/${encodeURIComponent(this.#track)}:watch?${query}`;
  }

  #receive(data) {
    const frame = readFrame(data);
    this.#live();
    const isOld = frame.transitionSeq < this.#after || (frame.kind === "TRANSITION" && frame.transitionSeq === this.#after);
    if (isOld && frame.kind !== "GAP") return;
    this.#after = frame.transitionSeq;
    this.#hear(frame);
  }

  #live() {
    this.#failures = 0;
    this.#isLive = true;
    this.#tell("live");
    this.#listen();
  }

  #listen() {
    this.#parts.clearTimer(this.#timer);
    this.#timer = this.#parts.setTimer(() => this.#endSilence(), SILENCE_MAX_MS);
  }

  /** A track that has no round yet says nothing at all, so only whoever was live has lost anything. */
  #endSilence() {
    if (this.#isLive) this.#fail();
    else this.open();
  }

  #fail() {
    this.close();
    this.#failures += 1;
    this.#tell("waiting");
    this.#timer = this.#parts.setTimer(() => this.open(), waitMs(this.#failures, this.#parts.chance));
  }
}
