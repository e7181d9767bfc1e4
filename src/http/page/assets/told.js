// What KEDA was told of a group, and the replicas that this implies.

import { Refusal, get, getHistory } from "./api.js";
import { Chart } from "./chart.js";
import { element, setText } from "./element.js";
import { UNKNOWN, compact, count, plural } from "./format.js";
import { impliedReplicas, inForce } from "./history.js";
import { lengthOf } from "./range.js";

/** Each change is asked for up to this; longer ranges by steps, as the rest. */
const LONGEST_BY_CHANGES_MS = 24 * 3_600_000;
const METRICS = "metric_value,target,active";

/** Rows of what was told. Nobody asks on behalf of the group, or more than can be told apart: none. */
export async function askTold(about, range, span, signal) {
  try {
    if (lengthOf(range) <= LONGEST_BY_CHANGES_MS) return await get("told", { ...about, ...span }, signal);
    const { rows } = await getHistory({ ...about, ...span, metric: METRICS }, signal);
    const told = rows.filter((row) => row.metric_value !== null || row.target !== null);
    return told.map((row) => ({ ...row, watch: row.topic, metric_name: row.topic }));
  } catch (cause) {
    if (cause instanceof Refusal && !cause.passes) return [];
    throw cause;
  }
}

const shared = { stepped: true, whole: true };
const VALUES = [
  { name: "Value", metric: "metric_value", colour: "line-1", say: compact, ...shared },
  { name: "Target", metric: "target", colour: "line-2", say: compact, dashed: true, ...shared },
  { name: "Active", metric: "active", colour: "line-3", say: yesOrNo, stepped: true, filled: true, strip: true },
];
const REPLICAS = [
  { name: "Members", metric: "members", colour: "line-1", say: count, ...shared },
  { name: "Implied replicas", metric: "replicas", colour: "line-3", say: count, dashed: true, ...shared },
];

export class Told {
  #values;
  #replicas;
  #says = element("p", { class: "quiet" });
  #choice;
  #watch = "";
  #shown = null;

  constructor(onZoom) {
    const choose = ({ target }) => this.#choose(target.value);
    this.#choice = element("select", { "aria-label": "Metric that KEDA asks for", onchange: choose, hidden: true });
    const more = element("div", { class: "told" }, this.#choice, this.#says);
    const about = "What was told, divided by its target and rounded up as the HPA does.";
    this.#values = new Chart({ title: "What KEDA was told", more, lines: VALUES, onZoom });
    this.#replicas = new Chart({ title: "Members and implied replicas", about, lines: REPLICAS, onZoom });
  }

  get roots() {
    return [this.#values.root, this.#replicas.root];
  }

  /** `columns` have the times, and the members. */
  show(rows, columns, range, events) {
    this.#shown = { rows, columns, range, events };
    const names = [...new Map(rows.map((row) => [row.watch, row.metric_name]))];
    if (!names.some(([watch]) => watch === this.#watch)) this.#watch = names[0]?.[0] ?? "";
    this.#offer(names);
    const ours = rows.filter(({ watch }) => watch === this.#watch);
    const told = inForce(ours, columns.times);
    const drawn = {
      times: columns.times,
      metric_value: told.map((row) => row?.metric_value ?? null),
      target: told.map((row) => row?.target ?? null),
      active: told.map((row) => (typeof row?.active === "boolean" ? Number(row.active) : null)),
      replicas: told.map(impliedReplicas),
      members: columns.members,
    };
    this.#values.show(drawn, range, events);
    this.#replicas.show(drawn, range, events);
    setText(this.#says, sentenceOf(ours.at(-1)));
  }

  redraw() {
    this.#values.redraw();
    this.#replicas.redraw();
  }

  #choose(watch) {
    this.#watch = watch;
    const { rows, columns, range, events } = this.#shown;
    this.show(rows, columns, range, events);
  }

  #offer(names) {
    this.#choice.hidden = names.length < 2;
    this.#choice.replaceChildren(...names.map(([watch, name]) => element("option", { value: watch }, name)));
    this.#choice.value = this.#watch;
  }
}

function yesOrNo(value) {
  return value === null || value === undefined ? UNKNOWN : value ? "yes" : "no";
}

function sentenceOf(row) {
  if (!row) return "KEDA was told nothing of this group in this range.";
  const replicas = impliedReplicas(row);
  const implied = replicas === null ? "" : `, so ${plural(replicas, "replica")}`;
  const active = row.active === null ? "." : row.active ? "; active." : "; not active.";
  return `Newest: value ${compact(row.metric_value)}, target ${compact(row.target)}${implied}${active}`;
}
