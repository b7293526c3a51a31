/** The track picker: links, so that the screen of a track can be bookmarked and opened beside another. */

import { byId, element } from "./element.js";

export class Tracks {
  #nav = byId("tracks");
  #choose;

  /** @param {(track: string) => void} choose  is told the track that a person picked */
  constructor(choose) {
    this.#choose = choose;
    window.addEventListener("popstate", () => {
      const name = wantedTrack();
      if (name !== null) this.#choose(name);
    });
  }

  /** Show the tracks, with the chosen one marked. */
  show(tracks, chosen) {
    this.#nav.replaceChildren(...tracks.map((track) => this.#link(track, track.name === chosen)));
    this.#nav.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  }

  #link({ name, title }, isChosen) {
    const link = element("a", "track", title);
    link.href = `?track=${encodeURIComponent(name)}`;
    if (isChosen) link.setAttribute("aria-current", "page");
    link.addEventListener("click", (event) => {
      if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      if (!isChosen) {
        history.pushState(null, "", link.href);
        this.#choose(name);
      }
    });
    return link;
  }
}

/** The track that the address asks for; null where it asks for none. */
export function wantedTrack() {
  return new URLSearchParams(window.location.search).get("track");
}
