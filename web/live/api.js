/** What the pages ask the API once, beside the watch. Every call rejects where the answer is not 200. */

import { readRound } from "../model/frame.js";

/** The tracks by name: `{name, title}`. */
export async function listTracks() {
  const { tracks } = await get("/v1/tracks");
  return tracks.map(({ track, display_name: title }) => ({ name: track, title: title || track }));
}

/** The latest rounds of a track, the newest first. */
export async function listRounds(track, count) {
  const { rounds } = await get(`/v1/tracks/${encodeURIComponent(track)}/rounds?page_size=${count}`);
  return rounds.map(readRound);
}

async function get(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path} was answered with ${answer.status}`);
  return answer.json();
}
