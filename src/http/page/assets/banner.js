// Says how the connection and the readings are, in one place, and only when
// that changes.

import { duration, clock } from "./format.js";
import { byId, setText } from "./element.js";

const state = { failedSince: null, retryAt: null, why: null, clusters: [], heardAt: null };

/** The server did not answer; it is asked again in so many milliseconds. */
export function failed(why, pause) {
  state.failedSince ??= Date.now();
  state.retryAt = Date.now() + pause;
  state.why = why;
  show();
}

/** It answers. */
export function answered() {
  Object.assign(state, { failedSince: null, retryAt: null, why: null, heardAt: Date.now() });
  show();
}

/** Each cluster's newest tick, and how fresh that is. */
export function clustersAre(clusters) {
  state.clusters = clusters;
  show();
}

/** What to show: the worst there is. Pure. */
export function standing({ failedSince, retryAt, why, clusters, heardAt }, now) {
  if (failedSince !== null) {
    const pause = Math.max(0, Math.ceil((retryAt - now) / 1000));
    const again = pause > 0 ? `Trying again in ${pause} s.` : "Trying again.";
    const what = why ?? "The server does not answer";
    return { name: "failed", says: `${what}, since ${clock(failedSince)}.`, more: again };
  }
  const old = clusters.filter((cluster) => cluster.reason || (cluster.as_of && cluster.freshness !== "fresh"));
  if (old.length > 0) return { name: "stale", says: old.map((one) => since(one, now)).join(" "), more: "" };
  if (heardAt === null) return { name: "loading", says: "Connecting", more: "" };
  return { name: "live", says: "Live", more: newest(clusters) };
}

function since({ cluster, as_of, freshness, reason }, now) {
  if (reason && freshness === "fresh") return `Cluster ${cluster} can't be read: ${reason}.`;
  const at = Date.parse(as_of);
  return `Cluster ${cluster} was last read at ${clock(at)}, ${duration((now - at) / 1000)} ago.`;
}

function newest(clusters) {
  const times = clusters.map(({ as_of }) => Date.parse(as_of)).filter(Number.isFinite);
  return times.length > 0 ? clock(Math.max(...times)) : "";
}

export function show() {
  const { name, says, more } = standing(state, Date.now());
  const { dataset } = document.documentElement;
  if (dataset.standing !== name) dataset.standing = name;
  const isTrouble = name === "failed" || name === "stale";
  setText(byId("standing-word"), isTrouble ? name : says);
  setText(byId("standing-more"), isTrouble ? "" : more);
  byId("banner").hidden = !isTrouble;
  // Two texts: only the first is announced, so that no reader counts seconds.
  setText(byId("banner-says"), isTrouble && name === "failed" ? says : "");
  setText(byId("banner-more"), isTrouble ? (name === "failed" ? more : says) : "");
  setText(byId("announce"), name === "stale" ? "Readings are stale." : name === "live" ? "Live." : "");
}

/** What counts up or down is shown once a second. */
export function begin() {
  setInterval(show, 1_000);
  show();
}
