/**
 * What part of the course is seen, and how large: the camera as a pure function of the leader's progress.
 *
 * The leader runs in the right part of the picture. Before the start the gate stands at the left, and at the end the
 * camera waits at the line while the field comes through.
 */

const SKY_SHARE = 0.34;
const HORSE_OF_TURF = 0.34;
const HORSE_OF_WIDTH = 0.16;
const HORSE_PX_MIN = 40;
const HORSE_PX_MAX = 180;
/** How high the nearest horse is: by the room that there is, within bounds. */
const CROWD_LANES = 11;
/** More lanes than this make the horses smaller. */
const LENGTHS_PER_COURSE = 62;
const LENGTH_PER_HEIGHT = 1.42;
/** Lengths of horse between gate and line: the field runs close together, as it looks in life. */
const GATE_AT = 0.34;
const LEADER_AT = 0.72;
const LINE_AT = 0.8;
/** Where in the picture the gate stands before the start, the leader runs, and the line waits. */
const FOLLOW_SHARE = 0.06;
/** The part of the course over which the camera comes from the gate to the leader. */
const LEAN = 0.3;
/** How far the line across the turf leans, in heights of the turf: it is seen from the stand, not from above. */
const FAR_LANE = 0.2;
const NEAR_LANE = 0.9;

/**
 * The view of a picture of `width` by `height` pixels with `lanes` runners when the leader is at `progress`.
 *
 * A point of the turf is at `xOf(progress) + leanAt(y)`. `laneOf` tells the height of a lane (0 is at the far rail),
 * `scaleOf` how large a runner is drawn in it.
 */
export function viewOf({ width, height, lanes, progress, zoom = 1 }) {
  const turfY = Math.round(height * SKY_SHARE);
  const turfPx = height - turfY;
  const crowd = Math.min(1, CROWD_LANES / lanes + 0.25);
  const room = Math.min(turfPx * HORSE_OF_TURF * crowd, width * HORSE_OF_WIDTH);
  const horsePx = zoom * Math.max(HORSE_PX_MIN, Math.min(HORSE_PX_MAX, room));
  const coursePx = horsePx * LENGTH_PER_HEIGHT * LENGTHS_PER_COURSE;
  const seen = width / coursePx;
  const leadAt = GATE_AT + (LEADER_AT - GATE_AT) * ease(progress / FOLLOW_SHARE);
  const left = Math.min(progress - leadAt * seen, 1 - LINE_AT * seen);
  const depthOf = (lane) => (lanes === 1 ? 0.5 : lane / (lanes - 1));
  return {
    width,
    height,
    turfY,
    turfPx,
    horsePx,
    coursePx,
    left,
    xOf: (at) => (at - left) * coursePx,
    leanAt: (y) => LEAN * (turfY + turfPx / 2 - y),
    laneOf: (lane) => turfY + turfPx * (FAR_LANE + (NEAR_LANE - FAR_LANE) * depthOf(lane)),
    scaleOf: (lane) => 0.8 + 0.2 * depthOf(lane),
  };
}

function ease(share) {
  const bounded = Math.min(1, Math.max(0, share));
  return bounded * bounded * (3 - 2 * bounded);
}
