// The view of one group: where it stands, and its history in charts.

import { Backoff, Refusal, get, getHistory, isAborted } from "./api.js";
import { badge, keyOf } from "./attention.js";
import { badgeElement } from "./badge.js";
import { failed } from "./banner.js";
import { Chart, loadLibrary } from "./chart.js";
import { element, setText } from "./element.js";
import { askEvents, eventList } from "./events.js";
import { clock, compact, count, duration, eta, plural, rate, timeLag } from "./format.js";
import { HeatMap } from "./heatmap.js";
import { columnsOf, gridOf, resolutionOf, withGaps } from "./history.js";
import { addressOf } from "./overview.js";
import { partitionTable } from "./partitions.js";
import { PRESETS, between, follow, fromQuery, lengthOf, live, pan, stepFor, toQuery, zoom } from "./range.js";
import { Told, askTold } from "./told.js";
import { Toolbar } from "./toolbar.js";

const METRICS = ["lag", "lag_max", "arrival_rate", "consumption_rate", "time_lag_seconds", "eta_seconds", "members"];

/** How old what is shown may be until a tick has it asked for again; no step is asked for twice. */
const CHARTS_AGE_MS = 2_000;
const PARTITIONS_AGE_MS = 5_000;
const HEAT_AGE_MS = 10_000;
/** Cells of a heat map; the server's bound on rows is above that. */
const MOST_CELLS = 100_000;
const FEWEST_COLUMNS = 10;

export class GroupView {
  /** Actions by key. */
  keys;
  #board;
  #root;
  #key = null;
  #name = { cluster: "", group: "" };
  #range = null;
  #topic = "";
  #topics = [];
  #charts = {};
  #heat = null;
  #told = null;
  #toolbar = null;
  #parts = {};
  #asked = null;
  #retry = null;
  #backoff = new Backoff();
  #drawnAt = { charts: 0, partitions: 0, heat: 0 };
  #resolution = 1;

  constructor(board, root) {
    this.#board = board;
    this.#root = root;
    this.keys = this.#actions();
    board.addEventListener("change", () => this.#summarize());
    board.addEventListener("tick", () => this.#follow());
  }

  async open(cluster, group, query) {
    const key = keyOf({ cluster, group });
    const isOther = key !== this.#key;
    this.#range = fromQuery(query, Date.now());
    this.#key = key;
    this.#name = { cluster, group };
    if (isOther) this.#build();
    document.title = `${group} – Tidegauge`;
    this.#toolbar.showRange(this.#range);
    this.#summarize();
    if (isOther) this.#parts.heading.focus({ preventScroll: true });
    await loadLibrary();
    this.#load();
  }

  close() {
    this.#key = null;
    this.#asked?.abort();
    clearTimeout(this.#retry);
  }

  /** For other colours. */
  redraw() {
    if (this.#key === null) return;
    for (const chart of [...Object.values(this.#charts), this.#told, this.#heat]) chart.redraw();
  }

  // ---- the range

  #actions() {
    const to = (change) => () => this.#to(change(this.#range, Date.now()));
    const closer = to((range, now) => zoom(range, 0.5, now));
    const presets = PRESETS.map(({ length }, place) => [place + 1, to((_, now) => live(length, now))]);
    return {
      "+": closer,
      "=": closer,
      "-": to((range, now) => zoom(range, 2, now)),
      ArrowLeft: to((range, now) => pan(range, -0.5, now)),
      ArrowRight: to((range, now) => pan(range, 0.5, now)),
      l: to((range, now) => live(lengthOf(range), now)),
      ...Object.fromEntries(presets),
    };
  }

  #to(range) {
    history.replaceState(null, "", `${addressOf(this.#name)}?${toQuery(range)}`);
    this.#range = range;
    this.#toolbar.showRange(range);
    this.#load();
  }

  // ---- what is asked for

  async #load() {
    this.#asked?.abort();
    clearTimeout(this.#retry);
    const asked = (this.#asked = new AbortController());
    this.#root.setAttribute("aria-busy", "true");
    try {
      await this.#loadPartitions(asked.signal);
      await this.#loadCharts(asked.signal);
      await this.#loadHeat(asked.signal);
      this.#backoff.reset();
      this.#tellTrouble(null);
    } catch (cause) {
      if (this.#asked === asked) this.#troubled(cause);
    } finally {
      if (this.#asked === asked) this.#root.setAttribute("aria-busy", "false");
    }
  }

  /** What passes is tried again; what does not is told. */
  #troubled(cause) {
    if (isAborted(cause)) return;
    if (cause instanceof Refusal && !cause.passes) {
      this.#tellTrouble(cause.message);
      return;
    }
    const pause = this.#backoff.next();
    failed(cause instanceof Refusal ? cause.message : null, pause);
    this.#retry = setTimeout(() => this.#load(), pause);
  }

  #tellTrouble(message) {
    this.#parts.trouble.hidden = message === null;
    setText(this.#parts.trouble, message ?? "");
  }

  get #about() {
    return { group: this.#name.group, cluster: this.#name.cluster };
  }

  get #span() {
    return { from: Math.round(this.#range.from), to: Math.round(this.#range.to) };
  }

  async #loadCharts(signal) {
    this.#drawnAt.charts = Date.now();
    const [about, range, span] = [this.#about, this.#range, this.#span];
    const [{ rows, levels }, events, told] = await Promise.all([
      getHistory({ ...about, ...span, topic: this.#topic || undefined, metric: METRICS.join() }, signal),
      askEvents(about, span, signal),
      askTold(about, range, span, signal),
    ]);
    const columns = columnsOf(rows, METRICS);
    this.#resolution = resolutionOf(columns.times) ?? this.#resolution;
    this.#toolbar.showResolution(columns.times.length, this.#resolution, levels);
    const gapped = withGaps(columns, METRICS);
    for (const chart of Object.values(this.#charts)) chart.show(gapped, range, events);
    this.#told.show(told, columns, range, events);
    this.#parts.events.replaceChildren(eventList(events));
  }

  async #loadPartitions(signal) {
    this.#drawnAt.partitions = Date.now();
    const path = `groups/${encodeURIComponent(this.#name.group)}`;
    const cluster = { cluster: this.#name.cluster };
    const [group, status] = await Promise.all([get(path, cluster, signal), get(`${path}/status`, cluster, signal)]);
    this.#topics = group.topics;
    this.#toolbar.offerTopics(
      group.topics.map(({ topic }) => topic),
      this.#topic,
    );
    this.#charts.lag.become(group.kind === "task" ? OF_TASK : OF_GROUP);
    this.#parts.partitions.replaceChildren(partitionTable(group.topics, status.partitions));
  }

  async #loadHeat(signal) {
    this.#drawnAt.heat = Date.now();
    const topic = this.#heatTopic();
    this.#heat.root.hidden = !topic;
    if (!topic) return;
    const range = this.#range;
    const room = Math.min(this.#heat.columns, Math.floor(MOST_CELLS / Math.max(1, topic.partition_count)));
    const step = Math.max(stepFor(range, Math.max(FEWEST_COLUMNS, room)), Math.ceil(this.#resolution));
    const asked = { ...this.#about, ...this.#span, topic: topic.topic, partition: "*", metric: "lag", step };
    const { rows } = await getHistory(asked, signal);
    this.#heat.show(topic.topic, gridOf(rows), range, step);
  }

  /** The chosen topic, else that with the most lag. */
  #heatTopic() {
    const chosen = this.#topics.find(({ topic }) => topic === this.#topic);
    const byLag = [...this.#topics].sort((one, other) => (other.lag ?? -1) - (one.lag ?? -1));
    return chosen ?? byLag[0];
  }

  /** After a tick, what is old enough is asked for again. */
  #follow() {
    if (this.#key === null || document.hidden || this.#root.getAttribute("aria-busy") === "true") return;
    const now = Date.now();
    const { signal } = this.#asked;
    const ask = (what, age, load) => {
      if (now - this.#drawnAt[what] >= age) load.call(this, signal).catch((cause) => this.#troubled(cause));
    };
    ask("partitions", PARTITIONS_AGE_MS, this.#loadPartitions);
    if (!this.#range.live) return;
    this.#range = follow(this.#range, now);
    this.#toolbar.showRange(this.#range);
    const step = this.#resolution * 1_000;
    ask("charts", Math.max(CHARTS_AGE_MS, step), this.#loadCharts);
    ask("heat", Math.max(HEAT_AGE_MS, step), this.#loadHeat);
  }

  // ---- what is shown

  #build() {
    const { cluster, group } = this.#name;
    const onZoom = (from, to) => this.#to(between(from, to, Date.now()));
    this.#topic = "";
    this.#topics = [];
    this.#charts = chartsOf(onZoom);
    this.#heat = new HeatMap();
    this.#told = new Told(onZoom);
    this.#toolbar = new Toolbar({ keys: this.keys, onTopic: (topic) => this.#choose(topic) });
    const parts = (this.#parts = {
      heading: element("h1", { tabindex: "-1" }, group),
      place: element("p", { class: "quiet" }, `in cluster ${cluster}`),
      badge: element("p", { class: "verdict" }),
      tiles: element("dl", { class: "tiles" }),
      trouble: element("p", { class: "notice", role: "alert", hidden: true }),
      events: element("div"),
      partitions: element("div"),
    });
    const { lag, rates, time } = this.#charts;
    this.#root.replaceChildren(
      element("nav", { "aria-label": "Where" }, element("a", { href: "#/", class: "back" }, "← All groups")),
      element("div", { class: "heading" }, parts.heading, parts.place),
      parts.badge,
      parts.tiles,
      this.#toolbar.root,
      parts.trouble,
      element("div", { class: "cards" }, lag.root, rates.root, time.root, this.#heat.root, ...this.#told.roots),
      element("section", { class: "card", "aria-label": "Events" }, element("h2", {}, "Events"), parts.events),
      element(
        "section",
        { class: "card", "aria-label": "Partitions" },
        element("h2", {}, "Partitions"),
        parts.partitions,
      ),
    );
  }

  #choose(topic) {
    this.#topic = topic;
    this.#load();
  }

  #summarize() {
    if (this.#key === null) return;
    const group = this.#board.groups.get(this.#key);
    if (group?.kind === "task") setText(this.#parts.place, `in queue ${group.cluster}`);
    const none = { attention: "unknown", reason: this.#board.isLoaded ? "It was not read lately." : "" };
    const { kind, sign, word, says } = badge(group ?? none);
    this.#parts.badge.replaceChildren(badgeElement(kind, sign, word), ` ${says}`);
    this.#parts.tiles.replaceChildren(...(group ? tilesOf(group) : []));
  }
}

/** What the first chart shows. */
const OF_GROUP = { title: "Lag", about: "Records that the group has yet to read.", lines: waiting("Lag") };
const OF_TASK = { title: "Depth", about: "Items that wait in the queue.", lines: waiting("Depth") };

function waiting(name) {
  return [
    // Below the other, which it is above of only where a step has several ticks.
    { name: "Most in a step", metric: "lag_max", colour: "line-2", say: compact, whole: true, dashed: true },
    { name, metric: "lag", colour: "line-1", say: compact, filled: true },
  ];
}

function chartsOf(onZoom) {
  const rates = [
    { name: "Arrival", metric: "arrival_rate", colour: "line-1", say: rate },
    { name: "Consumption", metric: "consumption_rate", colour: "line-3", say: rate, dashed: true },
  ];
  const time = [
    { name: "Time lag", metric: "time_lag_seconds", colour: "line-1", say: duration, whole: true },
    { name: "Caught up in", metric: "eta_seconds", colour: "line-3", say: duration, dashed: true },
  ];
  const waits = "How long the oldest record waits; no line for the time to catch up means never, or unknown.";
  return {
    lag: new Chart({ ...OF_GROUP, onZoom }),
    rates: new Chart({
      title: "Arrival and consumption",
      about: "Records a second, over the window.",
      lines: rates,
      onZoom,
    }),
    time: new Chart({ title: "Time lag and time to catch up", about: waits, lines: time, onZoom }),
  };
}

function tilesOf(group) {
  const since = group.as_of ? `as of ${clock(Date.parse(group.as_of))}` : "";
  const tiles = group.kind === "task" ? tilesOfTask(group) : tilesOfGroup(group);
  if (group.freshness !== "fresh") tiles.unshift(["Reading", group.freshness, since]);
  return tiles.map(([name, value, more]) =>
    element(
      "div",
      {},
      element("dt", {}, name),
      element("dd", {}, value),
      more ? element("dd", { class: "quiet" }, more) : null,
    ),
  );
}

function tilesOfGroup(group) {
  const { partition_count: partitions } = group;
  return [
    ["Lag", compact(group.lag), partitions === null ? "" : plural(partitions, "partition")],
    ["Arrival", rate(group.arrival_rate), ""],
    ["Consumption", rate(group.consumption_rate), ""],
    ["Time lag", timeLag(group), ""],
    ["Caught up in", eta(group), ""],
    ["Members", count(group.members), group.state ?? ""],
    ["Lost records", count(group.lost_records), "deleted before they were read"],
  ];
}

/** A queue tells its depth; whether it counts, too, decides what its rates are worth. */
function tilesOfTask(task) {
  const says = { counters: "counted by the queue", depth: "at least, by the depth alone" }[task.rates_from] ?? "";
  return [
    ["Depth", compact(task.depth), "items that wait"],
    ["Arrival", rate(task.arrival_rate), says],
    ["Consumption", rate(task.consumption_rate), says],
    ["Time lag", timeLag(task), task.oldest_age_seconds === null ? "" : "as the queue says it"],
    ["Caught up in", eta(task), ""],
  ];
}
