/** Small words: times, places and facts as they are said. */

const MS_PER_S = 1_000;
const S_PER_MINUTE = 60;
const MINUTES_PER_HOUR = 60;

/** Time that is left, as "0:23" or "1:02:03"; a second that has begun counts. */
export function timeLeft(leftMs) {
  const seconds = Math.ceil(leftMs / MS_PER_S);
  const minutes = Math.floor(seconds / S_PER_MINUTE);
  const hours = Math.floor(minutes / MINUTES_PER_HOUR);
  const tail = String(seconds % S_PER_MINUTE).padStart(2, "0");
  if (hours === 0) return `${minutes}:${tail}`;
  return `${hours}:${String(minutes % MINUTES_PER_HOUR).padStart(2, "0")}:${tail}`;
}

/** A place as it is said: 1st, 2nd, 3rd, 4th, 11th. */
export function place(number) {
  const isTeen = number % 100 >= 11 && number % 100 <= 13;
  const ending = isTeen ? "th" : ({ 1: "st", 2: "nd", 3: "rd" }[number % 10] ?? "th");
  return `${number}${ending}`;
}

const HUNDREDTHS = 100;
const QUARTERS = ["", "¼", "½", "¾"];
const MARGINS = [
  [8, "a nose"],
  [15, "a short head"],
  [25, "a head"],
  [40, "a neck"],
  [63, "½ length"],
  [88, "¾ length"],
];
/** The words of small margins, each below so many hundredths of a length. */

/** A margin between two runners as it is said: a neck, 1¼ lengths. */
export function margin(hundredths) {
  if (hundredths === 0) return "dead heat";
  const small = MARGINS.find(([below]) => hundredths < below);
  if (small !== undefined) return small[1];
  const quarters = Math.round((4 * hundredths) / HUNDREDTHS);
  const lengths = `${Math.floor(quarters / 4)}${QUARTERS[quarters % 4]}`;
  return lengths === "1" ? "1 length" : `${lengths} lengths`;
}

const HASH_SHOWN = 16;

/** What there is to say of a race before it is run; its distance where that is known. */
export function factsOf(round, language) {
  const runners = `${round.runners.length} runners`;
  return round.distanceM > 0 ? `${round.distanceM.toLocaleString(language)} m · ${runners}` : runners;
}

/** What was fixed about the draw before the first ticket. */
export function promiseOf(round) {
  if (round.isEntered) return "The race is run elsewhere; its result is entered, not drawn";
  const beacon = round.beacon ? `, drawn with round ${round.beaconRound} of ${round.beacon}` : "";
  return `Seed committed as ${round.commitment.slice(0, HASH_SHOWN)}…${beacon}`;
}
