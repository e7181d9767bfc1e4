// Lag by partition and time, as colours: a hot partition is seen at once.

import { colour, element, setText } from "./element.js";
import { clock, compact, count, share, time } from "./format.js";
import { hottest } from "./history.js";

const LEFT = 44;
const BOTTOM = 22;
const LEAST_HEIGHT = 3;
const MOST_HEIGHT = 26;
const PLOT_HEIGHT = 260;
const HOTTEST = 5;
const MOST_TABLE_ROWS = 200;

/** From 0 to 1. By the root, so that small lags are seen, and a hot partition still stands out. Pure. */
export function heat(lag, most) {
  return lag <= 0 || most <= 0 ? 0 : Math.sqrt(lag / most);
}

/** Several partitions share a line if there are more than lines; the most of them is shown. Pure. */
export function linesOf({ partitions, lags }, most) {
  const each = Math.ceil(partitions.length / most);
  const lines = [];
  for (let first = 0; first < partitions.length; first += each) {
    const those = lags.slice(first, first + each);
    const worst = those[0].map((_, column) => worstOf(those.map((line) => line[column])));
    lines.push({
      first: partitions[first],
      last: partitions[Math.min(first + each, partitions.length) - 1],
      lags: worst,
    });
  }
  return lines;
}

/** An unknown one among them is not hidden by those that are known and without lag. */
function worstOf(lags) {
  const most = lags.reduce((most, lag) => (lag !== null && lag > (most ?? -1) ? lag : most), null);
  return most === 0 && lags.includes(null) ? null : most;
}

export class HeatMap {
  root;
  #title = element("h2", {}, "Lag by partition");
  #canvas = element("canvas", { role: "img", "aria-label": "Lag by partition" });
  #readout = element("p", { class: "readout quiet" }, "Point at a cell to read it.");
  #hottest = element("ol", { class: "hottest" });
  #scale = element("p", { class: "scale" });
  #table = element("details", { class: "as-table" }, element("summary", {}, "Newest lags as a table"));
  #grid = null;
  #range = null;
  #lines = [];
  #step = 1;
  #most = 0;

  constructor() {
    this.root = element(
      "section",
      { class: "card wide heatmap", "aria-label": "Lag by partition" },
      this.#title,
      element(
        "div",
        { class: "beside" },
        element("div", { class: "map" }, this.#canvas, this.#readout, this.#scale),
        element("div", {}, element("h3", {}, "Most lag now"), this.#hottest),
      ),
      this.#table,
    );
    this.#canvas.addEventListener("pointermove", (event) => this.#read(event));
    this.#table.addEventListener("toggle", () => this.#fillTable());
    new ResizeObserver(() => this.redraw()).observe(this.#canvas.parentElement);
  }

  /** How many steps there is room for. */
  get columns() {
    return Math.max(30, Math.min(160, Math.floor((this.root.clientWidth || 600) / 7)));
  }

  /** Shows the lags of a topic over the range in steps of so many seconds. */
  show(topic, grid, range, step) {
    setText(this.#title, `Lag by partition of ${topic}`);
    this.#grid = grid;
    this.#range = range;
    this.#step = step;
    this.#lines = linesOf(grid, Math.floor(PLOT_HEIGHT / LEAST_HEIGHT));
    this.#most = Math.max(0, ...this.#lines.flatMap(({ lags }) => lags).filter((lag) => lag !== null));
    this.#tellHottest();
    this.#fillTable();
    this.redraw();
  }

  redraw() {
    const width = this.#canvas.parentElement.clientWidth;
    if (!this.#grid || width === 0) return;
    const height = this.#lineHeight() * this.#lines.length + BOTTOM;
    const ratio = devicePixelRatio;
    Object.assign(this.#canvas, { width: width * ratio, height: height * ratio });
    this.#canvas.style.height = `${height}px`;
    const context = this.#canvas.getContext("2d");
    context.scale(ratio, ratio);
    this.#drawCells(context, width);
    this.#drawAxes(context, width, height);
    this.#tellScale();
    this.#canvas.dataset.cells = this.#lines.length * this.#grid.times.length;
  }

  #lineHeight() {
    return Math.max(LEAST_HEIGHT, Math.min(MOST_HEIGHT, PLOT_HEIGHT / Math.max(1, this.#lines.length)));
  }

  #across(at, width) {
    const { from, to } = this.#range;
    return LEFT + ((at * 1000 - from) / (to - from)) * (width - LEFT);
  }

  #drawCells(context, width) {
    const colours = ramp();
    const unknown = hatch(context);
    const height = this.#lineHeight();
    const gap = height > 8 ? 1 : 0;
    this.#lines.forEach(({ lags }, line) => {
      lags.forEach((lag, column) => {
        const left = this.#across(this.#grid.times[column], width);
        const right = Math.min(width, this.#across(this.#grid.times[column] + this.#step, width));
        context.fillStyle = lag === null ? unknown : colours[Math.round(heat(lag, this.#most) * (colours.length - 1))];
        context.fillRect(left, line * height, Math.max(1, right - left + 0.5), height - gap);
      });
    });
  }

  #drawAxes(context, width, height) {
    context.fillStyle = colour("quiet");
    context.font = "12px system-ui";
    context.textBaseline = "middle";
    context.textAlign = "right";
    const lineHeight = this.#lineHeight();
    const every = Math.ceil(14 / lineHeight);
    this.#lines.forEach(({ first }, line) => {
      if (line % every === 0) context.fillText(first, LEFT - 8, (line + 0.5) * lineHeight);
    });
    const { from, to } = this.#range;
    const say = to - from > 86_400_000 ? (ms) => time(ms).slice(5, 16) : (ms) => clock(ms);
    context.textAlign = "left";
    context.fillText(say(from), LEFT, height - 8);
    context.textAlign = "center";
    context.fillText(say((from + to) / 2), LEFT + (width - LEFT) / 2, height - 8);
    context.textAlign = "right";
    context.fillText(say(to), width, height - 8);
  }

  #read({ offsetX, offsetY }) {
    if (!this.#grid) return;
    const line = this.#lines[Math.floor(offsetY / this.#lineHeight())];
    const width = this.#canvas.clientWidth;
    const column = this.#grid.times.findLastIndex((at) => this.#across(at, width) <= offsetX);
    if (!line || column < 0 || offsetX < LEFT) return;
    const lag = line.lags[column];
    const says = lag === null ? "lag unknown" : `lag ${count(lag)}`;
    setText(this.#readout, `${named(line)} at ${time(this.#grid.times[column] * 1000)}: ${says}`);
  }

  #tellHottest() {
    const { total, partitions } = hottest(this.#grid, HOTTEST);
    const items = partitions.map(({ partition, lag }) => {
      const part = element("span", { class: "quiet" }, total === null ? "" : ` ${share(lag, total)} of all`);
      return element("li", {}, `Partition ${partition}: `, element("strong", {}, count(lag)), part);
    });
    this.#hottest.replaceChildren(...items);
    const first = partitions[0];
    const most = first ? `the most now is ${count(first.lag)} in partition ${first.partition}` : "none is known now";
    const number = this.#grid.partitions.length;
    this.#canvas.setAttribute("aria-label", `Lag of ${number} partitions over time as a heat map; ${most}.`);
  }

  #tellScale() {
    const bar = element("canvas", { width: 160, height: 10, "aria-hidden": "true" });
    const context = bar.getContext("2d");
    ramp().forEach((one, place, all) => {
      context.fillStyle = one;
      context.fillRect((place * 160) / all.length, 0, 160 / all.length + 1, 10);
    });
    const hole = element("canvas", { width: 16, height: 10, "aria-hidden": "true" });
    const holes = hole.getContext("2d");
    holes.fillStyle = hatch(holes);
    holes.fillRect(0, 0, 16, 10);
    this.#scale.replaceChildren(
      "0 ",
      bar,
      ` ${compact(this.#most)} records`,
      element("span", { class: "unknown" }, hole, " unknown"),
    );
  }

  #fillTable() {
    this.#table.querySelector("div")?.remove();
    if (!this.#table.open || !this.#grid) return;
    const { partitions } = hottest(this.#grid, MOST_TABLE_ROWS);
    const rows = partitions.map(({ partition, lag }) =>
      element("tr", {}, element("th", { scope: "row" }, partition), element("td", {}, count(lag))),
    );
    const head = element(
      "tr",
      {},
      element("th", { scope: "col" }, "Partition"),
      element("th", { scope: "col" }, "Lag"),
    );
    const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
    this.#table.append(
      element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" }, table),
    );
  }
}

function named({ first, last }) {
  return first === last ? `Partition ${first}` : `Most of partitions ${first} to ${last}`;
}

const STOPS = 32;

/** From the colour of no lag over that of some to that of the most. */
function ramp() {
  const stops = ["heat-0", "heat-1", "heat-2", "heat-3"].map((name) =>
    colour(name)
      .match(/[\d.]+/g)
      .map(Number),
  );
  return Array.from({ length: STOPS }, (_, place) => {
    const at = (place / (STOPS - 1)) * (stops.length - 1);
    const [one, other] = [stops[Math.floor(at)], stops[Math.ceil(at)]];
    const mixed = [0, 1, 2].map((part) => Math.round(one[part] + (other[part] - one[part]) * (at % 1)));
    return `rgb(${mixed})`;
  });
}

/** Stripes for what is not known. */
function hatch(context) {
  const tile = element("canvas", { width: 6, height: 6 });
  const stripes = tile.getContext("2d");
  stripes.strokeStyle = colour("unknown");
  stripes.beginPath();
  for (const shift of [-6, 0, 6]) {
    stripes.moveTo(shift, 6);
    stripes.lineTo(shift + 6, 0);
  }
  stripes.stroke();
  return context.createPattern(tile, "repeat");
}
