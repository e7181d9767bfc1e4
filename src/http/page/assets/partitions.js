// A group's partitions as a table, the worst first.

import { badgeElement } from "./badge.js";
import { element } from "./element.js";
import { count, plural, rate } from "./format.js";

const MOST_ROWS = 50;
const WORST_FIRST = ["STOP", "STALL", "REWIND", "WARN", null, "OK"];
const BADGES = {
  OK: ["none", "✓"],
  WARN: ["warning", "▲"],
  STOP: ["error", "✕"],
  STALL: ["error", "✕"],
  REWIND: ["error", "✕"],
};
const HEADS = ["Topic", "Partition", "Status", "Lag", "Committed", "Log end", "Arrival", "Consumption", "Why"];
const TEXTS = ["Topic", "Status", "Why"];

/** Of the topics of a group as it is told, and the partitions of its status. */
export function partitionTable(topics, statuses) {
  const all = partitionsOf(topics, statuses);
  const shown = all.slice(0, MOST_ROWS);
  const head = element("tr", {}, ...HEADS.map(headOf));
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...shown.map(row)));
  const left = all.length - shown.length;
  return element(
    "div",
    {},
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Partitions" }, table),
    left > 0 ? element("p", { class: "quiet" }, `${plural(left, "partition")} with less are left off.`) : null,
  );
}

/** All of them with their reasons, the worst first, then those with the most lag. Pure. */
export function partitionsOf(topics, statuses) {
  const key = (topic, partition) => JSON.stringify([topic, partition]);
  const reasons = new Map(statuses.map((one) => [key(one.topic, one.partition), one.reason]));
  const all = topics.flatMap(({ topic, partitions }) =>
    partitions.map((one) => ({ ...one, topic, why: reasons.get(key(topic, one.partition)) ?? one.reason })),
  );
  const rank = ({ status }) => WORST_FIRST.indexOf(status);
  return all.sort((one, other) => rank(one) - rank(other) || (other.lag ?? -1) - (one.lag ?? -1));
}

function headOf(name) {
  return element("th", { scope: "col", class: TEXTS.includes(name) ? null : "number" }, name);
}

function row(one) {
  const [kind, sign] = BADGES[one.status] ?? ["unknown", "?"];
  const number = (text) => element("td", { class: "number" }, text);
  return element(
    "tr",
    {},
    element("td", { class: "name" }, one.topic),
    number(one.partition),
    element("td", {}, badgeElement(kind, sign, one.status ?? "unknown")),
    number(count(one.lag)),
    number(count(one.committed_offset)),
    number(count(one.log_end_offset)),
    number(rate(one.arrival_rate)),
    number(rate(one.consumption_rate)),
    element("td", { class: "quiet why" }, one.why ?? ""),
  );
}
