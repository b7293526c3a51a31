/** Whether what is shown is live, told plainly. */

import { byId, mark, say } from "./element.js";

const WORDS = { connecting: "Connecting", live: "Live", waiting: "No connection" };

export class Connection {
  #box = byId("connection");

  /** Show the state of the connection; the page dims what may be out of date. */
  show(state) {
    // The first try after a loss is part of the loss: the words do not flicker with every attempt.
    const isRetry = state === "connecting" && this.#box.dataset.connection === "waiting";
    const shown = isRetry ? "waiting" : state;
    mark(this.#box, "connection", shown);
    mark(document.body, "connection", shown);
    say(this.#box, WORDS[shown]);
  }
}
