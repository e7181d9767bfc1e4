// What needs attention, and in which order. Pure; the server sorts by the same
// rule, here it is kept up as groups change.

import { clock } from "./format.js";

/** In the order in which they are shown. */
export const ATTENTION = {
  error: { word: "ERR", sign: "✕", says: "a partition has stopped, stalled or gone back" },
  warning: { word: "WARN", sign: "▲", says: "a partition falls behind" },
  growing: { word: "growing", sign: "↗", says: "the lag does not drain, and records wait for over a minute" },
  unknown: { word: "unknown", sign: "?", says: "it could not be read, or not lately" },
  none: { word: "OK", sign: "✓", says: "none of these" },
};

const RANKS = Object.keys(ATTENTION);

/** What a group's badge says: Burrow's word where it has one. */
export function badge(group) {
  const { word, sign, says } = ATTENTION[group.attention] ?? ATTENTION.unknown;
  const isQuiet = group.attention === "none";
  return {
    kind: group.attention,
    sign,
    word: isQuiet ? (group.status ?? "unknown") : word,
    says: group.reason ?? (isQuiet ? "" : (lastRead(group) ?? says)),
  };
}

function lastRead({ freshness, as_of }) {
  return freshness === "stale" && as_of ? `last read at ${clock(Date.parse(as_of))}` : null;
}

/** Compares two groups for sorting. */
export function before(one, other) {
  return (
    RANKS.indexOf(one.attention) - RANKS.indexOf(other.attention) ||
    mostFirst(one.time_lag_seconds, other.time_lag_seconds) ||
    mostFirst(one.lag, other.lag) ||
    byName(one.group, other.group) ||
    byName(one.cluster, other.cluster)
  );
}

/** What is not known is less than any number. */
function mostFirst(one, other) {
  return (other ?? -1) - (one ?? -1);
}

function byName(one, other) {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** A group's key among those of all clusters. */
export function keyOf({ cluster, group }) {
  return JSON.stringify([cluster, group]);
}

/** Does the group match what was typed? Each word must be in its name or cluster. */
export function matches(group, text, cluster) {
  if (cluster && group.cluster !== cluster) return false;
  const names = `${group.group} ${group.cluster}`.toLowerCase();
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => names.includes(word));
}
