/** What the pages ask the API beside the watch. Every call rejects where the answer is not 200. */

import { readRound } from "../model/frame.js";
import { readTrack } from "../model/track.js";

/** The tracks by name. */
export async function listTracks() {
  const { tracks } = await get("/v1/tracks");
  return tracks.map(readTrack);
}

/** One track. */
export async function getTrack(track) {
  return readTrack((await get(`/v1/tracks/${encodeURIComponent(track)}`)).track);
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
