/** How many watch the track, on all screens together. */

import { byId, say } from "./element.js";

export class Presence {
  #box = byId("presence");

  /** Show how many there are, as far as the service has heard. */
  show(watchers) {
    say(this.#box, watchers > 0 ? `${watchers.toLocaleString(document.documentElement.lang)} watching` : "");
  }

  /** Show nothing, for another track. */
  clear() {
    this.show(0);
  }
}
