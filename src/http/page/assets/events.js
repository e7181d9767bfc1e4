// What happened: marks in charts, and a list.

import { get } from "./api.js";
import { element } from "./element.js";
import { time } from "./format.js";

/** How each kind is told apart, by sign and by colour. */
const KINDS = {
  rebalance: { sign: "◆", colour: "event-rebalance", word: "Rebalance" },
  gap_began: { sign: "▽", colour: "event-gap", word: "Gap began" },
  gap_ended: { sign: "△", colour: "event-gap", word: "Gap ended" },
  started: { sign: "●", colour: "event-process", word: "Tidegauge started" },
  stopped: { sign: "○", colour: "event-process", word: "Tidegauge stopped" },
  configuration_changed: { sign: "◎", colour: "event-process", word: "Configuration changed" },
  recording_failed: { sign: "✕", colour: "event-gap", word: "Recording failed" },
  recording_resumed: { sign: "✓", colour: "event-process", word: "Recording resumed" },
  left_off: { sign: "…", colour: "event-gap", word: "More events than are kept" },
};

/** What concerns all groups alike. */
const OF_THE_PROCESS = "started,stopped,configuration_changed,recording_failed,recording_resumed";

const MOST_LISTED = 100;
/** Marks that are closer than this would hide each other. */
const APART_PX = 5;

/** The group's events and the process's, sorted by time. */
export async function askEvents(about, span, signal) {
  const [ofGroup, ofProcess] = await Promise.all([
    get("events", { ...about, ...span }, signal),
    get("events", { kind: OF_THE_PROCESS, ...span }, signal),
  ]);
  return [...ofGroup, ...ofProcess].sort((one, other) => Date.parse(one.time) - Date.parse(other.time));
}

export const kindOf = (event) => KINDS[event.kind] ?? KINDS.left_off;

/** Those that are drawn, of events sorted by time: at most one in a few pixels. Pure. */
export function thinned(events, positionOf) {
  let last = -Infinity;
  return events.filter((event) => {
    const position = positionOf(Date.parse(event.time) / 1000);
    if (position - last < APART_PX) return false;
    last = position;
    return true;
  });
}

export function eventList(events) {
  if (events.length === 0) return element("p", { class: "quiet" }, "Nothing happened in this range.");
  const newest = events.slice(-MOST_LISTED).reverse();
  const left = events.length - newest.length;
  return element(
    "div",
    {},
    element("ol", { class: "events" }, ...newest.map(eventItem)),
    left > 0 ? element("p", { class: "quiet" }, `${left} older ones are left off: zoom in to see them.`) : null,
  );
}

function eventItem(event) {
  const { sign, colour, word } = kindOf(event);
  return element(
    "li",
    {},
    element("span", { class: `sign ${colour}`, "aria-hidden": "true" }, sign),
    element("time", { datetime: event.time }, time(Date.parse(event.time))),
    element("strong", {}, word),
    element("span", { class: "quiet" }, event.message),
  );
}
