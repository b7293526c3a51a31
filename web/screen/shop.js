/**
 * The shop screen: one picture of a round at a moment, made of parts that each know one thing.
 *
 * Everything is drawn from the latest round and the time; nothing is kept from what was shown before.
 */

import { Stage } from "../canvas/stage.js";
import { momentOf } from "../model/moment.js";
import { notSold } from "../model/track.js";
import { factsOf, promiseOf } from "../model/words.js";
import { Announcer } from "./announcer.js";
import { Board } from "./board.js";
import { Countdown } from "./countdown.js";
import { byId, element, mark, say } from "./element.js";
import { Figures } from "./figures.js";
import { Podium } from "./podium.js";

export class Shop {
  #stage;
  #figures;
  #board = new Board();
  #countdown = new Countdown();
  #podium = new Podium();
  #announcer = new Announcer();
  #canvas = byId("course");
  #raceName = byId("race-name");
  #raceFacts = byId("race-facts");
  #clock = byId("clock");
  #round = byId("round");
  #fairness = byId("fairness");

  /** @param {() => boolean} wantsCalm  whether motion is to be avoided */
  constructor(wantsCalm) {
    this.#stage = new Stage(this.#canvas, wantsCalm);
    this.#figures = new Figures(wantsCalm);
  }

  /** Show that there is no round yet. */
  showWaiting() {
    if (document.body.dataset.state !== "WAITING") this.#clear();
    this.#stage.clear();
  }

  /** Show the round as it is at `nowMs` of the server's clock, on a track that stands like `track`. */
  show(round, nowMs, track) {
    const moment = momentOf(round, nowMs);
    const unsold = notSold(track, round);
    mark(document.body, "screen", moment.screen);
    mark(document.body, "state", moment.state);
    mark(document.body, "round", round.id);
    const field = this.#stage.field(round, nowMs);
    this.#heading(round, nowMs);
    this.#countdown.show(round, moment, field[0], track);
    this.#board.show(round, moment, field, nowMs, unsold);
    this.#podium.show(round, moment, this.#stage.plan(round));
    this.#figures.show(round, moment, nowMs);
    this.#announcer.show(round, moment, unsold);
    this.#stage.draw(round, moment, nowMs);
  }

  #clear() {
    mark(document.body, "screen", "NONE");
    mark(document.body, "state", "WAITING");
    mark(document.body, "round", "");
    for (const text of [this.#raceName, this.#raceFacts, this.#clock, this.#round, this.#fairness]) say(text, "");
    mark(this.#fairness, "of", "");
    for (const part of [this.#countdown, this.#board, this.#podium, this.#figures]) part.clear();
  }

  #heading(round, nowMs) {
    const language = document.documentElement.lang;
    say(this.#raceName, round.raceName);
    say(this.#raceFacts, factsOf(round, language));
    const time = new Date(nowMs).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    say(this.#clock, time);
    say(this.#round, `Round ${round.id}`);
    this.#proof(round);
  }

  /** What was promised before the first ticket; once the race is over, how to check that it was kept. */
  #proof(round) {
    const isOver = round.result.length > 0 && round.screen === "FINISH";
    const key = `${round.id}/${isOver}`;
    if (this.#fairness.dataset.of === key) return;
    mark(this.#fairness, "of", key);
    const link = element("a", "", "Check the draw");
    link.href = `/v1/rounds/${round.id}/proof`;
    this.#fairness.replaceChildren(promiseOf(round), ...(isOver && !round.isEntered ? [" ", link] : []));
  }
}
