// The view of all groups. Of thousands only the rows in sight are in the page.

import { ATTENTION, badge, before, keyOf, matches } from "./attention.js";
import { badgeElement } from "./badge.js";
import { byId, element, setText } from "./element.js";
import { compact, count, eta, plural, rate, timeLag } from "./format.js";
import { sparkline } from "./sparkline.js";

/** Rows above and below what is in sight, so that scrolling shows no gap. */
const BEYOND = 6;

export class OverviewView {
  #board;
  #shown = [];
  #selected = null;
  #window = "";
  #frame = null;

  constructor(board) {
    this.#board = board;
    byId("rule").append(...Object.values(ATTENTION).map(ruleItem));
    byId("filter").addEventListener("input", () => this.#filtered());
    byId("cluster").addEventListener("change", () => this.#filtered());
    board.addEventListener("change", () => this.update());
    addEventListener("scroll", () => this.#later(), { passive: true });
    addEventListener("resize", () => this.#later());
  }

  get isShown() {
    return !byId("overview").hidden;
  }

  show() {
    byId("overview").hidden = false;
    document.title = "Tidegauge";
    this.update();
  }

  /** Sorts and draws anew, once a frame however much changes. */
  update() {
    this.#window = "";
    this.#later();
  }

  /** Moves the focus so many groups on. */
  move(by) {
    if (this.#shown.length === 0) return;
    const at = this.#shown.findIndex((group) => keyOf(group) === this.#selected);
    const next = at < 0 ? 0 : Math.min(Math.max(at + by, 0), this.#shown.length - 1);
    this.#selected = keyOf(this.#shown[next]);
    this.#bringIntoSight(next);
    this.#draw();
    this.#link(this.#selected)?.focus({ preventScroll: true });
  }

  clearFilter() {
    if (byId("filter").value === "") return;
    byId("filter").value = "";
    this.#filtered();
  }

  #filtered() {
    scrollTo({ top: 0 });
    this.update();
  }

  #later() {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      if (this.isShown && this.#board.isLoaded) this.#draw();
    });
  }

  #draw() {
    if (this.#window === "") this.#sort();
    const rows = byId("rows");
    const { first, last, height } = this.#inSight();
    const window = `${first}-${last}`;
    if (window === this.#window) return;
    this.#window = window;
    const focused = document.activeElement?.closest?.("tr")?.dataset.key;
    rows.replaceChildren(
      spacer(first * height),
      ...this.#shown.slice(first, last).map((group, place) => this.#row(group, first + place)),
      spacer((this.#shown.length - last) * height),
    );
    if (focused) this.#link(focused)?.focus({ preventScroll: true });
    if (this.#shown.length > 0) performance.mark("groups-drawn");
    this.#board.refreshPoints(this.#shown.slice(first, last));
  }

  #sort() {
    const all = [...this.#board.groups.values()];
    this.#offerClusters(all);
    const [text, cluster] = [byId("filter").value, byId("cluster").value];
    this.#shown = all.filter((group) => matches(group, text, cluster)).sort(before);
    byId("groups").setAttribute("aria-rowcount", this.#shown.length + 1);
    byId("overview").setAttribute("aria-busy", "false");
    byId("counts").replaceChildren(...countsOf(all).map(countItem));
    this.#tellEmpty(all.length);
  }

  #tellEmpty(all) {
    const isEmpty = this.#shown.length === 0;
    byId("groups").hidden = isEmpty;
    byId("empty").hidden = !isEmpty;
    if (!isEmpty) return;
    const isNothing = all === 0;
    setText(byId("empty-heading"), isNothing ? "No group yet" : "No group matches");
    setText(
      byId("empty-says"),
      isNothing
        ? "A group is shown once it has been read: as soon as it has committed an offset, or KEDA asks for it."
        : `None of ${plural(all, "group")} has that in its name. Esc clears the filter.`,
    );
  }

  #offerClusters(groups) {
    const names = [...new Set(groups.map(({ cluster }) => cluster))].sort();
    const select = byId("cluster");
    const known = [...select.options].slice(1).map(({ value }) => value);
    if (JSON.stringify(names) === JSON.stringify(known)) return;
    const chosen = select.value;
    const options = names.map((name) => element("option", { value: name }, name));
    select.replaceChildren(select.options[0], ...options);
    select.value = names.includes(chosen) ? chosen : "";
  }

  #inSight() {
    const height = parseFloat(getComputedStyle(byId("groups")).getPropertyValue("--row-height"));
    const above = -byId("rows").getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(above / height) - BEYOND);
    const last = Math.ceil((above + innerHeight) / height) + BEYOND;
    const most = this.#shown.length;
    return { first: Math.min(first, most), last: Math.min(Math.max(last, 0), most), height };
  }

  #bringIntoSight(place) {
    const { height } = this.#inSight();
    const top = byId("rows").getBoundingClientRect().top + place * height;
    const margin = 1.5 * height;
    if (top < margin) scrollBy({ top: top - margin });
    else if (top + height > innerHeight - margin) scrollBy({ top: top + height + margin - innerHeight });
  }

  #link(key) {
    const rows = [...byId("rows").children];
    return rows.find((row) => row.dataset.key === key)?.querySelector("a");
  }

  #row(group, place) {
    const key = keyOf(group);
    const lags = this.#board.pointsOf(key);
    const link = element("a", { href: addressOf(group), onfocus: () => (this.#selected = key) }, group.group);
    const { kind, sign, word, says } = badge(group);
    return element(
      "tr",
      { role: "row", "data-key": key, "data-attention": kind, "aria-rowindex": place + 2 },
      cell("name", "", link, element("span", { class: "quiet" }, placeOf(group))),
      cell(
        "state",
        "Status",
        badgeElement(kind, sign, word),
        says ? element("span", { class: "quiet why", title: says }, says) : null,
      ),
      cell("number strong", group.kind === "task" ? "Depth" : "Lag", element("span", { title: count(group.lag) }, compact(group.lag))),
      cell("trend", "Last hour", lags ? sparkline(lags) : element("i", { class: "pending" })),
      cell("number", "Time lag", timeLag(group)),
      cell("number", "Arrival", rate(group.arrival_rate)),
      cell("number", "Consumption", rate(group.consumption_rate)),
      cell("number", "Caught up in", eta(group)),
      cell("number", "Members", count(group.members)),
    );
  }
}

/** Of a queue's task, that it is one. */
function placeOf({ cluster, kind }) {
  return kind === "task" ? `queue ${cluster}` : cluster;
}

export function addressOf({ cluster, group }) {
  return `#/group/${encodeURIComponent(cluster)}/${encodeURIComponent(group)}`;
}

function cell(kind, label, ...children) {
  return element("td", { role: "cell", class: kind, "data-label": label }, ...children);
}

/** Room for the rows that are out of sight. */
function spacer(height) {
  const made = element("tr", { class: "spacer", "aria-hidden": "true" });
  made.style.height = `${height}px`;
  return made;
}

function ruleItem({ word, sign, says }) {
  return element("li", {}, `${sign} ${word}: ${says}`);
}

function countsOf(groups) {
  const counts = Object.keys(ATTENTION).map((kind) => [kind, groups.filter((one) => one.attention === kind).length]);
  return counts.filter(([, number]) => number > 0);
}

function countItem([kind, number]) {
  const { sign, word } = ATTENTION[kind];
  return element("li", {}, element("strong", {}, count(number)), " ", badgeElement(kind, sign, word));
}
