// What KEDA was told of a group, and the replicas that this implies.

import { Refusal, get, getHistory } from "./api.js";
import { Chart } from "./chart.js";
import { element, setText } from "./element.js";
import { UNKNOWN, compact, count, plural } from "./format.js";
import { inForce } from "./history.js";
import { lengthOf } from "./range.js";

/** Each change is asked for up to this; longer ranges by steps, as the rest. */
const LONGEST_BY_CHANGES_MS = 24 * 3_600_000;
const METRICS = "metric_value,target,active,implied_replicas";

/** Rows of what was told; or none and why, such as that it is more than can be told apart in steps. */
export async function askTold(about, range, span, signal) {
  try {
    return { rows: await askRows(about, range, span, signal), why: null };
  } catch (cause) {
    if (cause instanceof Refusal && !cause.passes) return { rows: [], why: cause.message };
    throw cause;
  }
}

async function askRows(about, range, span, signal) {
  if (lengthOf(range) <= LONGEST_BY_CHANGES_MS) return get("told", { ...about, ...span }, signal);
  const { rows } = await getHistory({ ...about, ...span, metric: METRICS }, signal);
  const told = rows.filter((row) => row.metric_value !== null || row.target !== null);
  return told.map((row) => ({ ...row, watch: row.topic, metric_name: row.topic }));
}

const shared = { stepped: true, whole: true };
const VALUES = [
  { name: "Value", metric: "metric_value", colour: "line-1", say: compact, ...shared },
  { name: "Target", metric: "target", colour: "line-2", say: compact, dashed: true, ...shared },
  { name: "Active", metric: "active", colour: "line-3", say: yesOrNo, stepped: true, filled: true, strip: true },
];
const REPLICAS = [
  { name: "Members", metric: "members", colour: "line-1", say: count, ...shared },
  { name: "Implied replicas", metric: "implied_replicas", colour: "line-3", say: count, dashed: true, ...shared },
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
  show(told, columns, range, events) {
    this.#shown = { told, columns, range, events };
    const { rows, why } = told;
    const names = [...new Map(rows.map((row) => [row.watch, row.metric_name]))];
    if (!names.some(([watch]) => watch === this.#watch)) this.#watch = names[0]?.[0] ?? "";
    this.#offer(names);
    const ours = rows.filter(({ watch }) => watch === this.#watch);
    const then = inForce(ours, columns.times);
    const drawn = {
      times: columns.times,
      metric_value: then.map((row) => row?.metric_value ?? null),
      target: then.map((row) => row?.target ?? null),
      active: then.map((row) => (typeof row?.active === "boolean" ? Number(row.active) : null)),
      implied_replicas: then.map((row) => row?.implied_replicas ?? null),
      members: columns.members,
    };
    this.#values.show(drawn, range, events);
    this.#replicas.show(drawn, range, events);
    setText(this.#says, why ? `Not known: ${why}.` : sentenceOf(ours.at(-1)));
  }

  redraw() {
    this.#values.redraw();
    this.#replicas.redraw();
  }

  #choose(watch) {
    this.#watch = watch;
    const { told, columns, range, events } = this.#shown;
    this.show(told, columns, range, events);
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
  const replicas = row.implied_replicas;
  const implied = replicas === null ? "" : `, so ${plural(replicas, "replica")}`;
  const active = row.active === null ? "." : row.active ? "; active." : "; not active.";
  return `Newest: value ${compact(row.metric_value)}, target ${compact(row.target)}${implied}${active}`;
}
