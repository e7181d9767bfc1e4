// What a reader of the page needs. Returns what is wrong in the view that is shown.
const wrong = [];
const isShown = (one) => one.checkVisibility();
const all = (selector) => [...document.querySelectorAll(selector)].filter(isShown);

const nameOf = (one) =>
  one.getAttribute("aria-label") || one.labels?.[0]?.textContent.trim() || one.getAttribute("title") || one.textContent.trim();
for (const one of all("button, input, select, a, summary")) {
  if (!nameOf(one)) wrong.push(`without a name: ${one.outerHTML.slice(0, 80)}`);
}
for (const one of all("img")) if (!one.hasAttribute("alt")) wrong.push("an image without alt");
for (const one of all("canvas, svg")) {
  const isNamed = one.getAttribute("role") === "img" && one.getAttribute("aria-label");
  if (!isNamed && !one.closest("[aria-hidden='true']")) wrong.push(`a drawing without words: ${one.outerHTML.slice(0, 80)}`);
}
const headings = all("h1, h2, h3, h4").map((one) => Number(one.tagName[1]));
if (headings.filter((level) => level === 1).length !== 1) wrong.push(`headings of level 1: ${headings}`);
headings.forEach((level, place) => {
  if (level > (headings[place - 1] ?? 0) + 1) wrong.push(`a heading is left out: ${headings}`);
});
for (const landmark of ["header", "main"]) if (all(landmark).length !== 1) wrong.push(`${landmark}: ${all(landmark).length}`);
for (const table of all("table:not(.u-legend)")) {
  if (!table.querySelector("th[scope]")) wrong.push("a table without headings");
}
const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) wrong.push(`twice the id ${id}`);

const probe = document.getElementById("probe");
const luminance = (name) => {
  probe.style.color = `var(--${name})`;
  const parts = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
  const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const contrast = (one, other) => {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const states = ["error", "warning", "growing", "unknown", "none"];
const texts = [
  ...["page", "card", "hover"].flatMap((back) => [["text", back], ["quiet", back], ["accent", back]]),
  ...states.map((state) => [state, `${state}-back`]),
];
const marks = ["line-1", "line-2", "line-3", "event-rebalance", "event-gap", "event-process"].map((mark) => [mark, "card"]);
for (const [pairs, least] of [[texts, 4.5], [marks, 3]]) {
  for (const [one, other] of pairs) {
    if (contrast(one, other) < least) wrong.push(`${one} on ${other}: ${contrast(one, other).toFixed(2)}, at least ${least}`);
  }
}
return wrong;
