// The view of one group: where it stands, and its history in charts.

import { Backoff, Refusal, get, getHistory, isAborted } from "./api.js";
import { badge, keyOf } from "./attention.js";
import { failed } from "./banner.js";
import { Chart, loadLibrary } from "./chart.js";
import { byId, element, setText } from "./element.js";
import { OF_THE_PROCESS, eventList } from "./events.js";
import { clock, compact, count, duration, eta, plural, range as rangeText, rate, timeLag } from "./format.js";
import { HeatMap } from "./heatmap.js";
import { columnsOf, gridOf, impliedReplicas, inForce, resolutionOf, withGaps } from "./history.js";
import { addressOf, badgeElement } from "./overview.js";
import { PRESETS, follow, fromQuery, between, lengthOf, live, pan, stepFor, toQuery, zoom } from "./range.js";

const METRICS = [
  "lag",
  "lag_max",
  "arrival_rate",
  "consumption_rate",
  "time_lag_seconds",
  "eta_seconds",
  "members",
];
const TOLD = ["metric_value", "target", "active"];

/** Live charts are drawn anew no more often than this, and than their steps. */
const CHARTS_AGE_MS = 2_000;
const PARTITIONS_AGE_MS = 5_000;
const HEAT_AGE_MS = 10_000;
/** Each change of what was told is asked for up to this; longer ranges by steps. */
const LONGEST_BY_CHANGES_MS = 24 * 3_600_000;
/** Cells of a heat map; the server's bound on rows is above that. */
const MOST_CELLS = 100_000;
const MOST_PARTITION_ROWS = 50;

export class GroupView {
  keys;
  #board;
  #root;
  #key = null;
  #name = { cluster: "", group: "" };
  #range = null;
  #topic = "";
  #watch = "";
  #topics = [];
  #events = [];
  #told = [];
  #charts = {};
  #heat = null;
  #parts = {};
  #asked = null;
  #retry = null;
  #backoff = new Backoff();
  #drawnAt = { charts: 0, partitions: 0, heat: 0 };
  #resolution = 10;

  constructor(board, root) {
    this.#board = board;
    this.#root = root;
    this.keys = {
      "+": () => this.#to(zoom(this.#range, 0.5, Date.now())),
      "=": () => this.#to(zoom(this.#range, 0.5, Date.now())),
      "-": () => this.#to(zoom(this.#range, 2, Date.now())),
      ArrowLeft: () => this.#to(pan(this.#range, -0.5, Date.now())),
      ArrowRight: () => this.#to(pan(this.#range, 0.5, Date.now())),
      l: () => this.#to(live(lengthOf(this.#range), Date.now())),
    };
    PRESETS.forEach(({ length }, place) => {
      this.keys[place + 1] = () => this.#to(live(length, Date.now()));
    });
    board.addEventListener("change", () => this.#summarize());
    board.addEventListener("tick", () => this.#follow());
  }

  async open(cluster, group, query) {
    const key = keyOf({ cluster, group });
    this.#range = fromQuery(query, Date.now());
    const isOther = key !== this.#key;
    if (isOther) {
      this.#key = key;
      this.#name = { cluster, group };
      this.#build();
    }
    document.title = `${group} – Tidegauge`;
    this.#tellRange();
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
    for (const chart of Object.values(this.#charts)) chart.redraw();
    this.#heat.redraw();
  }

  // ---- the range

  #to(range) {
    history.replaceState(null, "", `${addressOf(this.#name)}?${toQuery(range)}`);
    this.#range = range;
    this.#tellRange();
    this.#load();
  }

  #tellRange() {
    const { range, live: liveButton, presets } = this.#parts;
    setText(range, rangeText(this.#range.from, this.#range.to));
    Object.assign(range.dataset, { from: Math.round(this.#range.from), to: Math.round(this.#range.to) });
    liveButton.setAttribute("aria-pressed", this.#range.live);
    presets.forEach((button, place) => {
      const isThis = this.#range.live && Math.abs(PRESETS[place].length - lengthOf(this.#range)) < 1_000;
      button.setAttribute("aria-pressed", isThis);
    });
  }

  // ---- what is asked for

  async #load() {
    this.#asked?.abort();
    clearTimeout(this.#retry);
    const asked = (this.#asked = new AbortController());
    this.#root.setAttribute("aria-busy", "true");
    try {
      await this.#loadAll(asked.signal);
      this.#backoff.reset();
      this.#tellTrouble(null);
    } catch (cause) {
      if (!isAborted(cause) && this.#asked === asked) this.#troubled(cause);
    } finally {
      if (this.#asked === asked) this.#root.setAttribute("aria-busy", "false");
    }
  }

  async #loadAll(signal) {
    await this.#loadPartitions(signal);
    await this.#loadCharts(signal);
    await this.#loadHeat(signal);
  }

  #troubled(cause) {
    if (cause instanceof Refusal && !cause.passes) return this.#tellTrouble(cause.message);
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
    const asked = { ...this.#about, ...this.#span, topic: this.#topic || undefined, metric: METRICS.join(",") };
    const [{ rows, levels }, events, told] = await Promise.all([
      getHistory(asked, signal),
      this.#askEvents(signal),
      this.#askTold(signal),
    ]);
    this.#events = events;
    this.#told = told;
    const columns = columnsOf(rows, METRICS);
    this.#resolution = resolutionOf(columns.times) ?? this.#resolution;
    this.#tellLevels(levels, columns.times.length);
    this.#drawCharts(columns);
    this.#parts.events.replaceChildren(eventList(events));
  }

  async #askEvents(signal) {
    const [ofGroup, ofProcess] = await Promise.all([
      get("events", { ...this.#about, ...this.#span }, signal),
      get("events", { kind: OF_THE_PROCESS, ...this.#span }, signal),
    ]);
    return [...ofGroup, ...ofProcess].sort((one, other) => Date.parse(one.time) - Date.parse(other.time));
  }

  /** Nobody asks on behalf of the group: no row. */
  async #askTold(signal) {
    const byChanges = lengthOf(this.#range) <= LONGEST_BY_CHANGES_MS;
    try {
      if (byChanges) return await get("told", { ...this.#about, ...this.#span }, signal);
      const { rows } = await getHistory({ ...this.#about, ...this.#span, metric: TOLD.join(",") }, signal);
      return rows.filter((row) => row.metric_value !== null || row.target !== null).map((row) => ({ ...row, watch: row.topic }));
    } catch (cause) {
      if (cause instanceof Refusal && !cause.passes) return [];
      throw cause;
    }
  }

  async #loadPartitions(signal) {
    this.#drawnAt.partitions = Date.now();
    const path = encodeURIComponent(this.#name.group);
    const cluster = { cluster: this.#name.cluster };
    const [group, status] = await Promise.all([
      get(`groups/${path}`, cluster, signal),
      get(`groups/${path}/status`, cluster, signal),
    ]);
    this.#topics = group.topics;
    this.#offerTopics();
    this.#parts.partitions.replaceChildren(...partitionTable(group.topics, status.partitions));
  }

  async #loadHeat(signal) {
    this.#drawnAt.heat = Date.now();
    const topic = this.#heatTopic();
    this.#heat.root.hidden = !topic;
    if (!topic) return;
    const columns = Math.max(10, Math.min(this.#heat.columns, Math.floor(MOST_CELLS / Math.max(1, topic.partition_count))));
    const step = Math.max(stepFor(this.#range, columns), Math.ceil(this.#resolution));
    const asked = { ...this.#about, ...this.#span, topic: topic.topic, partition: "*", metric: "lag", step };
    const { rows } = await getHistory(asked, signal);
    setText(this.#heat.root.querySelector("h2"), `Lag by partition of ${topic.topic}`);
    this.#heat.show(gridOf(rows), this.#range, step);
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
    const isOld = (what, age) => now - this.#drawnAt[what] >= age;
    const { signal } = this.#asked;
    const step = this.#resolution * 1_000;
    const due = [];
    if (isOld("partitions", PARTITIONS_AGE_MS)) due.push(() => this.#loadPartitions(signal));
    if (this.#range.live) {
      this.#range = follow(this.#range, now);
      this.#tellRange();
      if (isOld("charts", Math.max(CHARTS_AGE_MS, step))) due.push(() => this.#loadCharts(signal));
      if (isOld("heat", Math.max(HEAT_AGE_MS, step))) due.push(() => this.#loadHeat(signal));
    }
    for (const load of due) load().catch((cause) => isAborted(cause) || this.#troubled(cause));
  }

  // ---- what is shown

  #build() {
    const { cluster, group } = this.#name;
    const onZoom = (from, to) => this.#to(between(from, to, Date.now()));
    this.#topic = this.#watch = "";
    this.#topics = [];
    this.#charts = chartsOf(onZoom);
    this.#heat = new HeatMap();
    const { lag, rates, time, told, replicas } = this.#charts;
    this.#parts = {
      heading: element("h1", { tabindex: "-1" }, group),
      badge: element("p", { class: "verdict" }),
      tiles: element("dl", { class: "tiles" }),
      trouble: element("p", { class: "notice", role: "alert", hidden: true }),
      ...this.#toolbar(),
      toldSays: element("p", { class: "quiet" }),
      toldWatch: element("select", { "aria-label": "Metric that KEDA asks for", onchange: ({ target }) => this.#chooseWatch(target.value) }),
      events: element("div", {}),
      partitions: element("div", {}),
    };
    const parts = this.#parts;
    told.root.insertBefore(element("div", { class: "told" }, parts.toldWatch, parts.toldSays), told.root.children[1]);
    this.#root.replaceChildren(
      element("nav", { "aria-label": "Where" }, element("a", { href: "#/", class: "back" }, "← All groups")),
      element("div", { class: "heading" }, parts.heading, element("p", { class: "quiet" }, `in cluster ${cluster}`)),
      parts.badge,
      parts.tiles,
      parts.toolbar,
      parts.trouble,
      element("div", { class: "cards" }, lag.root, rates.root, time.root, this.#heat.root, told.root, replicas.root),
      element("section", { class: "card", "aria-labelledby": "events-heading" }, element("h2", { id: "events-heading" }, "Events"), parts.events),
      element("section", { class: "card", "aria-labelledby": "partitions-heading" }, element("h2", { id: "partitions-heading" }, "Partitions"), parts.partitions),
    );
  }

  #toolbar() {
    const button = (label, sign, keys, key) =>
      element("button", { type: "button", "aria-label": label, title: `${label} (${keys})`, "aria-keyshortcuts": key, onclick: () => this.keys[key]() }, sign);
    const presets = PRESETS.map(({ name }, place) =>
      element("button", { type: "button", "aria-label": `Last ${name}`, onclick: () => this.keys[place + 1]() }, name),
    );
    const liveButton = element("button", { type: "button", class: "live", title: "Back to live (l)", onclick: () => this.keys.l() }, "Live");
    const range = element("output", { class: "range", id: "range" });
    const levels = element("span", { class: "quiet", id: "levels" });
    const topics = element("select", { "aria-label": "Topic", onchange: ({ target }) => this.#chooseTopic(target.value) });
    const toolbar = element(
      "div",
      { class: "toolbar", role: "toolbar", "aria-label": "Range of time" },
      element("div", { class: "buttons" }, ...presets),
      element(
        "div",
        { class: "buttons" },
        button("Earlier", "←", "←", "ArrowLeft"),
        button("Zoom in", "+", "+", "+"),
        button("Zoom out", "−", "-", "-"),
        button("Later", "→", "→", "ArrowRight"),
        liveButton,
      ),
      topics,
      element("p", {}, range, " ", levels),
    );
    return { toolbar, presets, live: liveButton, range, levels, topics };
  }

  #offerTopics() {
    const select = this.#parts.topics;
    const names = this.#topics.map(({ topic }) => topic);
    select.hidden = names.length < 2;
    const known = [...select.options].slice(1).map(({ value }) => value);
    if (JSON.stringify(names) === JSON.stringify(known)) return;
    select.replaceChildren(element("option", { value: "" }, "All topics"), ...names.map((name) => element("option", { value: name }, name)));
    select.value = this.#topic;
  }

  #chooseTopic(topic) {
    this.#topic = topic;
    this.#load();
  }

  #chooseWatch(watch) {
    this.#watch = watch;
    this.#drawTold(this.#columns);
  }

  #tellLevels(levels, points) {
    const from = levels ? `, from ${levels}` : "";
    setText(this.#parts.levels, points > 0 ? `a point each ${duration(this.#resolution)}${from}` : "nothing was recorded in this range");
  }

  #summarize() {
    if (this.#key === null) return;
    const group = this.#board.groups.get(this.#key);
    if (!group) {
      const says = this.#board.isLoaded ? "It was not read lately." : "";
      this.#parts.badge.replaceChildren(badgeElement("unknown", "?", "unknown"), ` ${says}`);
      this.#parts.tiles.replaceChildren();
      return;
    }
    const { kind, sign, word, says } = badge(group);
    this.#parts.badge.replaceChildren(badgeElement(kind, sign, word), ` ${says}`);
    this.#parts.tiles.replaceChildren(...tilesOf(group));
  }

  #columns = null;

  #drawCharts(columns) {
    this.#columns = columns;
    const gapped = withGaps(columns, METRICS);
    for (const name of ["lag", "rates", "time"]) this.#charts[name].show(gapped, this.#range, this.#events);
    this.#drawTold(columns);
  }

  #drawTold(columns) {
    const names = [...new Map(this.#told.map((row) => [row.watch, row.metric_name ?? row.topic]))];
    if (!names.some(([watch]) => watch === this.#watch)) this.#watch = names[0]?.[0] ?? "";
    this.#offerWatches(names);
    const told = inForce(this.#told.filter(({ watch }) => watch === this.#watch), columns.times);
    const shown = {
      times: columns.times,
      metric_value: told.map((row) => row?.metric_value ?? null),
      target: told.map((row) => row?.target ?? null),
      replicas: told.map(impliedReplicas),
      members: columns.members,
    };
    this.#charts.told.show(shown, this.#range, this.#events);
    this.#charts.replicas.show(shown, this.#range, this.#events);
    setText(this.#parts.toldSays, toldSentence(this.#told.findLast(({ watch }) => watch === this.#watch)));
  }

  #offerWatches(names) {
    const select = this.#parts.toldWatch;
    select.hidden = names.length < 2;
    select.replaceChildren(...names.map(([watch, name]) => element("option", { value: watch }, name ?? watch)));
    select.value = this.#watch;
  }
}

function chartsOf(onZoom) {
  const line = (name, metric, colour, say, more) => ({ name, metric, colour, say, ...more });
  const lag = [line("Lag", "lag", "line-1", compact, { whole: true, filled: true }), line("Most in a step", "lag_max", "line-2", compact, { dashed: true })];
  const rates = [line("Arrival", "arrival_rate", "line-1", rate), line("Consumption", "consumption_rate", "line-3", rate, { dashed: true })];
  const time = [line("Time lag", "time_lag_seconds", "line-1", duration), line("Caught up in", "eta_seconds", "line-3", duration, { dashed: true })];
  const told = [line("Value", "metric_value", "line-1", compact, { whole: true, stepped: true }), line("Target", "target", "line-2", compact, { stepped: true, dashed: true })];
  const replicas = [line("Members", "members", "line-1", count, { whole: true, stepped: true }), line("Implied replicas", "replicas", "line-3", count, { stepped: true, dashed: true })];
  return {
    lag: new Chart({ title: "Lag", about: "Records that the group has yet to read.", lines: lag, onZoom }),
    rates: new Chart({ title: "Arrival and consumption", about: "Records a second, over the window.", lines: rates, onZoom }),
    time: new Chart({ title: "Time lag and time to catch up", about: "How long the oldest record waits; no line for the time to catch up means never, or unknown.", lines: time, onZoom }),
    told: new Chart({ title: "What KEDA was told", lines: told, onZoom }),
    replicas: new Chart({ title: "Members and implied replicas", about: "What was told, divided by its target and rounded up as the HPA does.", lines: replicas, onZoom }),
  };
}

function toldSentence(row) {
  if (!row) return "KEDA was told nothing of this group in this range.";
  const value = `Newest: value ${compact(row.metric_value)}, target ${compact(row.target)}`;
  const replicas = impliedReplicas(row);
  const implied = replicas === null ? "" : `, so ${plural(replicas, "replica")}`;
  const active = row.active === null ? "" : row.active ? "; active." : "; not active.";
  return `${value}${implied}${active || "."}`;
}

function tilesOf(group) {
  const since = group.as_of ? `as of ${clock(Date.parse(group.as_of))}` : "";
  const tiles = [
    ["Lag", compact(group.lag), group.partition_count === null ? "" : plural(group.partition_count, "partition")],
    ["Arrival", rate(group.arrival_rate), ""],
    ["Consumption", rate(group.consumption_rate), ""],
    ["Time lag", timeLag(group), ""],
    ["Caught up in", eta(group), ""],
    ["Members", count(group.members), group.state ?? ""],
    ["Lost records", count(group.lost_records), "deleted before they were read"],
  ];
  if (group.freshness !== "fresh") tiles.unshift(["Reading", group.freshness, since]);
  return tiles.map(([name, value, more]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value), more ? element("dd", { class: "quiet" }, more) : null),
  );
}

const WORST_FIRST = ["STOP", "STALL", "REWIND", "WARN", undefined, null, "OK"];

function partitionTable(topics, statuses) {
  const reasons = new Map(statuses.map((one) => [JSON.stringify([one.topic, one.partition]), one]));
  const all = topics.flatMap(({ topic, partitions }) =>
    partitions.map((one) => ({ ...one, topic, why: reasons.get(JSON.stringify([topic, one.partition]))?.reason ?? one.reason })),
  );
  const rank = ({ status }) => WORST_FIRST.indexOf(status);
  all.sort((one, other) => rank(one) - rank(other) || (other.lag ?? -1) - (one.lag ?? -1));
  const shown = all.slice(0, MOST_PARTITION_ROWS);
  const heads = ["Topic", "Partition", "Status", "Lag", "Committed", "Log end", "Arrival", "Consumption", "Why"];
  const head = element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, name)));
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...shown.map(partitionRow)));
  const left = all.length - shown.length;
  const more = left > 0 ? element("p", { class: "quiet" }, `${plural(left, "partition")} with less are left off.`) : null;
  return [element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Partitions" }, table), more].filter(Boolean);
}

const PARTITION_BADGES = { OK: ["none", "✓"], WARN: ["warning", "▲"], STOP: ["error", "✕"], STALL: ["error", "✕"], REWIND: ["error", "✕"] };

function partitionRow(one) {
  const [kind, sign] = PARTITION_BADGES[one.status] ?? ["unknown", "?"];
  const cells = [one.lag, one.committed_offset, one.log_end_offset].map((value) => element("td", { class: "number" }, count(value)));
  return element(
    "tr",
    {},
    element("td", { class: "name" }, one.topic),
    element("td", { class: "number" }, one.partition),
    element("td", {}, badgeElement(kind, sign, one.status ?? "unknown")),
    ...cells,
    element("td", { class: "number" }, rate(one.arrival_rate)),
    element("td", { class: "number" }, rate(one.consumption_rate)),
    element("td", { class: "quiet why" }, one.why ?? ""),
  );
}
