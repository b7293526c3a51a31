// The design that WatchRounds replaces: the whole state as JSON to every client, every 500 ms, whether it changed or not.
//
//   node server.mjs <state.json> per-client|once
//
// per-client makes the string anew for each client, as the old design did; once makes it once a tick. It prints its
// address and serves until its standard input ends.

import { readFileSync } from "node:fs";
import { WebSocket, WebSocketServer } from "ws";

const TICK_MS = 500;
const [stateFile, stringify] = process.argv.slice(2);
const state = JSON.parse(readFileSync(stateFile, "utf8"));

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("listening", () => console.log(`127.0.0.1:${server.address().port}`));

setInterval(() => {
  state.serverTime = new Date().toISOString();
  const shared = stringify === "once" ? JSON.stringify(state) : undefined;
  for (const client of server.clients) {
    if (client.readyState === WebSocket.OPEN) client.send(shared ?? JSON.stringify(state));
  }
}, TICK_MS);

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
