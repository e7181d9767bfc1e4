// A group's lag in a few points, as a drawing of a table's cell.

import { compact } from "./format.js";
import { shape } from "./element.js";

const WIDTH = 120;
const HEIGHT = 28;
const MARGIN = 2;

/** The lines of known points, broken where a point is not known. Pure. */
export function linesOf(lags, width = WIDTH, height = HEIGHT) {
  const most = Math.max(1, ...lags.filter((lag) => lag !== null));
  const across = (place) => round((place / Math.max(1, lags.length - 1)) * width);
  const down = (lag) => round(height - MARGIN - (lag / most) * (height - 2 * MARGIN));
  const lines = [];
  let line = null;
  lags.forEach((lag, place) => {
    if (lag === null) {
      line = null;
      return;
    }
    if (!line) lines.push((line = []));
    line.push([across(place), down(lag)]);
  });
  return lines;
}

const round = (value) => Math.round(value * 10) / 10;

/** A sentence for who does not see the drawing. Pure. */
export function summaryOf(lags) {
  const known = lags.filter((lag) => lag !== null);
  if (known.length === 0) return "lag of the last hour: unknown";
  const [least, most] = [Math.min(...known), Math.max(...known)];
  return `lag of the last hour: from ${compact(least)} to ${compact(most)}, last ${compact(known.at(-1))}`;
}

export function sparkline(lags) {
  const drawing = shape("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    class: "sparkline",
    role: "img",
    "aria-label": summaryOf(lags),
    preserveAspectRatio: "none",
  });
  for (const line of linesOf(lags)) drawing.append(...drawn(line));
  return drawing;
}

function drawn(line) {
  const [[first], [last]] = [line[0], line.at(-1)];
  const points = line.map((point) => point.join(" ")).join("L");
  if (line.length === 1) {
    const [x, y] = line[0];
    return [shape("circle", { cx: x, cy: y, r: 1.5, class: "point" })];
  }
  return [
    shape("path", { d: `M${first} ${HEIGHT}L${points}L${last} ${HEIGHT}Z`, class: "area" }),
    shape("path", { d: `M${points}`, class: "line", "vector-effect": "non-scaling-stroke" }),
  ];
}
