// The span of time that is looked at. Pure.
//
// A range is { from, to, live } in milliseconds. A live one ends now, and goes on.

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;

/** The server's bound on a range is 400 days. */
export const LONGEST_MS = 400 * DAY;
export const SHORTEST_MS = 30 * SECOND;

export const PRESETS = [
  { name: "15 min", length: HOUR / 4 },
  { name: "1 h", length: HOUR },
  { name: "6 h", length: 6 * HOUR },
  { name: "24 h", length: DAY },
  { name: "7 d", length: 7 * DAY },
  { name: "30 d", length: 30 * DAY },
  { name: "1 y", length: 365 * DAY },
];

export const DEFAULT_LENGTH_MS = HOUR;

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

export function lengthOf({ from, to }) {
  return to - from;
}

/** The last so many milliseconds, going on. */
export function live(length, now) {
  return { from: now - clamp(length, SHORTEST_MS, LONGEST_MS), to: now, live: true };
}

/** From one time to another, or the other way round; no future, no longer than may be asked for. */
export function between(one, other, now) {
  const length = clamp(Math.abs(other - one), SHORTEST_MS, LONGEST_MS);
  const to = Math.min(Math.max(one, other), now);
  return { from: Math.round(to - length), to: Math.round(to), live: false };
}

/** As long as before, and ending now if it is live. */
export function follow(range, now) {
  return range.live ? live(lengthOf(range), now) : range;
}

/** Half or twice as long. A live one stays live, another keeps its middle. */
export function zoom(range, factor, now) {
  const length = clamp(lengthOf(range) * factor, SHORTEST_MS, LONGEST_MS);
  if (range.live) return live(length, now);
  const middle = (range.from + range.to) / 2;
  return between(middle - length / 2, Math.min(middle + length / 2, now), now);
}

/** Earlier (below 0) or later by so many lengths; live again at the end. */
export function pan(range, lengths, now) {
  const shift = lengths * lengthOf(range);
  if (range.to + shift >= now) return live(lengthOf(range), now);
  return { from: Math.round(range.from + shift), to: Math.round(range.to + shift), live: false };
}

/** As parameters of the page's address. */
export function toQuery(range) {
  if (range.live) return `last=${Math.round(lengthOf(range) / SECOND)}`;
  return `from=${range.from}&to=${range.to}`;
}

/** From parameters of the page's address; anything else is the last hour. */
export function fromQuery(query, now) {
  const number = (name) => (query.has(name) ? Number(query.get(name)) : NaN);
  const [from, to, last] = ["from", "to", "last"].map(number);
  if (Number.isFinite(from) && Number.isFinite(to) && from !== to) return between(from, to, now);
  return live(last > 0 ? last * SECOND : DEFAULT_LENGTH_MS, now);
}

const ROUND_STEPS_S = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 345_600,
  604_800,
];

/** The round step, in seconds, that cuts a range into at most so many. */
export function stepFor(range, most) {
  const shortest = lengthOf(range) / SECOND / most;
  return ROUND_STEPS_S.find((step) => step >= shortest) ?? Math.ceil(shortest);
}
