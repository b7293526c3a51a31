import assert from "node:assert/strict";
import test from "node:test";

import { ServerClock } from "../../../web/model/clock.js";

const SERVER_MS = 1_800_000_000_000;

/** A clock over a local time that the test moves. */
function aClock() {
  const local = { ms: 500 };
  return { local, clock: new ServerClock(() => local.ms) };
}

test("before the first frame nothing is known of the server's time", () => {
  assert.equal(aClock().clock.nowMs(), null);
});

test("time goes on between the frames", () => {
  const { local, clock } = aClock();
  clock.hear(SERVER_MS);
  local.ms += 1_234;
  assert.equal(clock.nowMs(), SERVER_MS + 1_234);
});

test("the frame that travelled fastest is believed", () => {
  const { local, clock } = aClock();
  for (const delayMs of [400, 20, 90, 3_000]) {
    local.ms += 10_000;
    clock.hear(SERVER_MS + local.ms - delayMs);
  }
  assert.equal(clock.nowMs(), SERVER_MS + local.ms - 20);
});

test("a machine that slept is right again with the next frame", () => {
  const { local, clock } = aClock();
  clock.hear(SERVER_MS);
  local.ms += 10;
  clock.hear(SERVER_MS + 3_600_000);
  assert.equal(clock.nowMs(), SERVER_MS + 3_600_000);
});

test("old frames are forgotten, so that a local clock that runs fast is followed", () => {
  const { local, clock } = aClock();
  for (let frame = 0; frame < 200; frame += 1) {
    clock.hear(SERVER_MS + frame * 1_000);
    local.ms += 1_001;
  }
  assert.ok(Math.abs(clock.nowMs() - (SERVER_MS + 200_000)) <= 30);
});
