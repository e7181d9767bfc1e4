// Lines over time, by uPlot. Dragging over one zooms all; each has a sentence
// and a table that say the same in words.

import { colour, element, setText } from "./element.js";
import { kindOf, thinned } from "./events.js";
import { clock, time } from "./format.js";
import { sentenceOf } from "./history.js";

const HEIGHT = 190;
const DAY_S = 86_400;
/** What is 0 or 1 is a strip along the bottom, by this number lower than the chart. */
const STRIP = 12;
/** Steps of an axis that counts things. */
const WHOLE = Array.from({ length: 16 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
/** Of more, every so many-th row is in the table. */
const MOST_ROWS = 200;

let library = null;

/** uPlot is fetched with the first chart. */
export function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    document.head.append(element("link", { rel: "stylesheet", href: "assets/vendor/uplot/uPlot.min.css" }));
    document.head.append(
      element("script", { src: "assets/vendor/uplot/uPlot.iife.min.js", onload: resolve, onerror: reject }),
    );
  });
  return library;
}

/**
 * One chart. `lines` are `{ name, metric, colour, say, whole, stepped, dashed, filled, strip }`.
 */
export class Chart {
  root;
  #lines;
  #canvas = element("div", { class: "plot" });
  #sentence = element("p", { class: "sentence" });
  #title = element("h2");
  #about = element("p", { class: "quiet about" });
  #table = element("details", { class: "as-table" }, element("summary", {}, "As a table"));
  #plot = null;
  #columns = null;
  #range = null;
  #events = [];
  #onZoom;

  /** `about` is a sentence below the title, `more` an element there. */
  constructor({ title, about = null, more = null, lines, onZoom }) {
    this.#onZoom = onZoom;
    this.#canvas.setAttribute("aria-hidden", "true");
    this.root = element(
      "section",
      { class: "card" },
      this.#title,
      this.#about,
      more,
      this.#canvas,
      this.#sentence,
      this.#table,
    );
    this.become({ title, about, lines });
    this.#table.addEventListener("toggle", () => this.#fillTable());
    new ResizeObserver(() => this.#resize()).observe(this.#canvas);
  }

  /** Another one, of the same columns. */
  become({ title, about, lines }) {
    if (lines === this.#lines) return;
    this.#lines = lines;
    this.root.setAttribute("aria-label", title);
    setText(this.#title, title);
    setText(this.#about, about ?? "");
    this.#about.hidden = about === null;
    this.redraw();
  }

  /** Shows `columns`, which have `times` in seconds, over the range. */
  show(columns, range, events) {
    this.#columns = columns;
    this.#range = range;
    this.#events = events;
    this.#say();
    this.#fillTable();
    if (!this.#plot) return this.redraw();
    this.#plot.setData(this.#data(), false);
    this.#plot.setScale("x", this.#limits());
  }

  /** Anew, for other colours. */
  redraw() {
    if (!this.#columns) return;
    this.#plot?.destroy();
    this.#plot = new globalThis.uPlot(this.#options(), this.#data(), this.#canvas);
    this.#plot.setScale("x", this.#limits());
  }

  #data() {
    return [this.#columns.times, ...this.#lines.map(({ metric }) => this.#columns[metric])];
  }

  #limits() {
    return { min: this.#range.from / 1000, max: this.#range.to / 1000 };
  }

  #resize() {
    const width = this.#canvas.clientWidth;
    if (this.#plot && width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: HEIGHT });
  }

  #options() {
    return {
      width: Math.max(this.#canvas.clientWidth, 200),
      height: HEIGHT,
      legend: { live: true },
      cursor: { drag: { x: true, y: false, setScale: false }, sync: { key: "time" }, points: { size: 6 } },
      scales: { x: { time: true, auto: false }, y: { range: fromZero }, strip: { range: [0, STRIP] } },
      series: [{ label: "Time", value: (_, at) => (at === null ? "—" : time(at * 1000)) }, ...this.#lines.map(series)],
      axes: [
        axis({ values: timesOf, space: 70, size: 32 }),
        axis({
          incrs: this.#lines[0].whole ? WHOLE : undefined,
          values: (_, ticks) => ticks.map(this.#lines[0].say),
          size: 78,
        }),
      ],
      hooks: {
        setScale: [(plot) => this.#scaled(plot)],
        setSelect: [(plot) => this.#selected(plot)],
        draw: [(plot) => this.#mark(plot)],
      },
    };
  }

  /** What the axis shows, for who looks at the page from outside. */
  #scaled({ scales }) {
    Object.assign(this.#canvas.dataset, { from: scales.x.min * 1000, to: scales.x.max * 1000 });
  }

  #selected(plot) {
    const { left, width } = plot.select;
    if (width < 3) return;
    const [from, to] = [left, left + width].map((at) => plot.posToVal(at, "x") * 1000);
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#onZoom(from, to);
  }

  #mark(plot) {
    const { ctx, bbox } = plot;
    const positionOf = (at) => plot.valToPos(at, "x", true);
    const inSight = this.#events.filter((event) => {
      const at = Date.parse(event.time);
      return at >= this.#range.from && at <= this.#range.to;
    });
    ctx.save();
    ctx.font = `${11 * devicePixelRatio}px system-ui`;
    ctx.textAlign = "center";
    for (const event of thinned(inSight, positionOf)) {
      const kind = kindOf(event);
      const x = positionOf(Date.parse(event.time) / 1000);
      ctx.strokeStyle = ctx.fillStyle = colour(kind.colour);
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top + 10 * devicePixelRatio);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.fillText(kind.sign, x, bbox.top + 8 * devicePixelRatio);
    }
    ctx.restore();
  }

  #say() {
    const said = this.#lines.map(({ name, metric, say }) => sentenceOf(name, this.#columns[metric], say));
    setText(this.#sentence, said.join(" "));
  }

  #fillTable() {
    this.#table.querySelector("div")?.remove();
    if (!this.#table.open || !this.#columns) return;
    const { times } = this.#columns;
    const every = Math.max(1, Math.ceil(times.length / MOST_ROWS));
    const rows = times.map((_, place) => place).filter((place) => (times.length - 1 - place) % every === 0);
    const head = ["Time", ...this.#lines.map(({ name }) => name)].map((name) => element("th", { scope: "col" }, name));
    const row = (place) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, time(times[place] * 1000)),
        ...this.#lines.map(({ metric, say }) => element("td", {}, say(this.#columns[metric][place]))),
      );
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...head)));
    table.append(element("tbody", {}, ...rows.reverse().map(row)));
    this.#table.append(
      element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" }, table),
    );
  }
}

function series(line) {
  const stroke = colour(line.colour);
  return {
    label: line.name,
    scale: line.strip ? "strip" : "y",
    stroke,
    width: 1.75,
    dash: line.dashed ? [6, 4] : undefined,
    fill: line.filled ? `color-mix(in srgb, ${stroke} 14%, transparent)` : undefined,
    paths: line.stepped ? globalThis.uPlot.paths.stepped({ align: 1 }) : undefined,
    points: { show: false },
    value: (_, value) => line.say(value),
  };
}

/** Values are never below 0; a line along the bottom is one of zeros. */
function fromZero(_, least, most) {
  return [0, most === null || most <= 0 ? 1 : most * 1.08];
}

function axis(more) {
  const line = { stroke: colour("grid"), width: 1 };
  return { stroke: colour("quiet"), grid: line, ticks: line, font: "12px system-ui", ...more };
}

/** Times as short as tells them apart. */
function timesOf(plot, ticks, _, __, step) {
  const span = plot.scales.x.max - plot.scales.x.min;
  return ticks.map((tick) => {
    const [day, ofDay] = time(tick * 1000).split(" ");
    if (step >= DAY_S) return span > 300 * DAY_S ? day : day.slice(5);
    if (step < 60) return clock(tick * 1000);
    return span > DAY_S ? `${day.slice(5)} ${ofDay.slice(0, 5)}` : ofDay.slice(0, 5);
  });
}
