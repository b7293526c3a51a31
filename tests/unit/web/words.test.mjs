import assert from "node:assert/strict";
import test from "node:test";

import { money, price } from "../../../web/model/money.js";
import { readRound } from "../../../web/model/frame.js";
import { silksOf } from "../../../web/model/silks.js";
import { factsOf, margin, place, promiseOf, timeLeft } from "../../../web/model/words.js";
import { aRound } from "./rounds.mjs";

const NUMBER_MAX = 40;

test("time that is left counts a second that has begun", () => {
  const table = [[0, "0:00"], [1, "0:01"], [999, "0:01"], [1_000, "0:01"], [1_001, "0:02"], [59_001, "1:00"], [600_000, "10:00"], [3_723_000, "1:02:03"]];
  for (const [leftMs, words] of table) assert.equal(timeLeft(leftMs), words);
});

test("places are said as people say them", () => {
  const table = [[1, "1st"], [2, "2nd"], [3, "3rd"], [4, "4th"], [11, "11th"], [12, "12th"], [13, "13th"], [21, "21st"], [40, "40th"]];
  for (const [number, words] of table) assert.equal(place(number), words);
});

test("prices have two digits behind the point, and long ones none", () => {
  const table = [[101, "1.01"], [235, "2.35"], [1_000, "10.00"], [9_999, "99.99"], [10_000, "100"], [83_050, "830"]];
  for (const [hundredths, words] of table) assert.equal(price(hundredths), words);
});

test("amounts have the digits of their currency", () => {
  const table = [[123_450, "EUR", "€1,234.50"], [5, "EUR", "€0.05"], [1_234, "JPY", "¥1,234"], [1_234, "BHD", "BHD\u00a01.234"]];
  for (const [amountMinor, currency, words] of table) assert.equal(money(amountMinor, currency, "en"), words);
});

test("no two runners of the largest field wear the same silks", () => {
  const worn = Array.from({ length: NUMBER_MAX }, (_, index) => {
    const { main, trim, pattern } = silksOf(index + 1);
    return `${main} ${trim} ${pattern}`;
  });
  assert.equal(new Set(worn).size, NUMBER_MAX);
});

test("a trim is never of the colour that it lies on", () => {
  for (let number = 1; number <= NUMBER_MAX; number += 1) {
    assert.notEqual(silksOf(number).main, silksOf(number).trim);
  }
});

test("margins are said as on the racecourse", () => {
  const table = [[0, "dead heat"], [1, "a nose"], [5, "a nose"], [10, "a short head"], [20, "a head"], [30, "a neck"], [50, "½ length"], [75, "¾ length"], [100, "1 length"], [125, "1¼ lengths"], [187, "1¾ lengths"], [200, "2 lengths"], [250, "2½ lengths"]];
  for (const [hundredths, words] of table) assert.equal(margin(hundredths), words);
});

test("a distance that is not known is not told", () => {
  const facts = [1_200, 0].map((distance_m) => factsOf(readRound(aRound({ distance_m })), "en"));
  assert.deepEqual(facts, ["1,200 m · 6 runners", "6 runners"]);
});

test("what was fixed about the draw names the public beacon where there is one", () => {
  const terms = [{ source: "DRAWN" }, { source: "DRAWN", beacon: "quicknet", beacon_round: "27946612" }, { source: "ENTERED" }];
  assert.deepEqual(terms.map((each) => promiseOf(readRound(aRound({ terms: each })))), [
    "Seed committed as 8deeb44aaea2fb03…",
    "Seed committed as 8deeb44aaea2fb03…, drawn with round 27946612 of quicknet",
    "The race is run elsewhere; its result is entered, not drawn",
  ]);
});
