// Numbers, durations and times as people read them. Pure.
// What is not known is a dash, never a zero.

export const UNKNOWN = "—";

const isKnown = (value) => value !== null && value !== undefined && Number.isFinite(value);

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** 1,234,567 */
export function count(value) {
  return isKnown(value) ? whole.format(value) : UNKNOWN;
}

/** 1.23M; small numbers as they are. */
export function compact(value) {
  if (!isKnown(value)) return UNKNOWN;
  return Math.abs(value) < 10_000 ? whole.format(value) : short.format(value);
}

/** Records a second, with as many digits as mean something. */
export function rate(value) {
  if (!isKnown(value)) return UNKNOWN;
  if (value === 0) return "0/s";
  if (value < 0.01) return "<0.01/s";
  const digits = value < 1 ? 2 : value < 100 ? 1 : 0;
  return value >= 10_000 ? `${short.format(value)}/s` : `${trimmed(value, digits)}/s`;
}

function trimmed(value, digits) {
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

const UNITS = [
  ["y", 365 * 86_400],
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
];

/** Seconds in their two largest units: 1 h 5 min. */
export function duration(seconds) {
  if (!isKnown(seconds)) return UNKNOWN;
  if (seconds < 1) return seconds <= 0 ? "0 s" : "<1 s";
  let left = Math.round(seconds);
  const first = UNITS.findIndex(([, length]) => left >= length);
  const parts = [];
  for (const [unit, length] of UNITS.slice(first, first + 2)) {
    const number = Math.floor(left / length);
    left -= number * length;
    if (number > 0) parts.push(`${number} ${unit}`);
  }
  return parts.join(" ");
}

/** How long the oldest record that waits has done so. */
export function timeLag({ time_lag_seconds: seconds, time_lag_at_least: atLeast }) {
  const text = duration(seconds);
  return atLeast && text !== UNKNOWN ? `≥ ${text}` : text;
}

/** When the group has caught up, as things go now. */
export function eta({ eta_seconds: seconds, drains, lag }) {
  if (lag === 0) return "caught up";
  if (isKnown(seconds)) return duration(seconds);
  return drains === false ? "not draining" : UNKNOWN;
}

const pad = (number) => String(number).padStart(2, "0");

/** 2026-01-31 */
function day(date) {
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** 2026-01-31 23:59:58, in the reader's time zone. */
export function time(ms) {
  return isKnown(ms) ? `${day(new Date(ms))} ${clock(ms)}` : UNKNOWN;
}

/** 23:59:58 */
export function clock(ms) {
  if (!isKnown(ms)) return UNKNOWN;
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(":");
}

/** A range, the day said once if both ends are on it. */
export function range(from, to) {
  const [a, b] = [new Date(from), new Date(to)];
  if (day(a) === day(b)) return `${day(a)} ${clock(from)} – ${clock(to)}`;
  return `${time(from)} – ${time(to)}`;
}

/** A share of a whole, in per cent. */
export function share(part, whole) {
  if (!isKnown(part) || !isKnown(whole) || whole === 0) return UNKNOWN;
  return `${Math.round((100 * part) / whole)} %`;
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
