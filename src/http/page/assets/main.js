// Begins, finds the view by the page's address, and listens to keys.

import * as banner from "./banner.js";
import { Board } from "./board.js";
import { byId } from "./element.js";
import { OverviewView } from "./overview.js";

const THEMES = { system: "◐", light: "☀", dark: "☾" };

const board = new Board();
const overview = new OverviewView(board);
/** Loaded with the first group that is opened, as its charts are. */
let group = null;

/** `#/group/<cluster>/<group>?from=&to=`; anything else is all groups. */
async function route() {
  const [path, query = ""] = location.hash.slice(1).split("?");
  const found = /^\/group\/([^/]+)\/([^/]+)$/.exec(path);
  byId("overview").hidden = Boolean(found);
  byId("group").hidden = !found;
  document.documentElement.dataset.view = found ? "group" : "overview";
  if (!found) {
    group?.close();
    overview.show();
    return;
  }
  const { GroupView } = await import("./group.js");
  group ??= new GroupView(board, byId("group"));
  const [cluster, name] = found.slice(1).map(decoded);
  group.open(cluster, name, new URLSearchParams(query));
}

/** An address that somebody typed may have any signs in it. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function nextTheme() {
  const { dataset } = document.documentElement;
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(dataset.theme) + 1) % names.length];
  dataset.theme = next;
  localStorage.setItem("tidegauge.theme", next);
  showTheme();
  group?.redraw();
}

function showTheme() {
  const { theme } = document.documentElement.dataset;
  byId("theme").textContent = THEMES[theme] ?? THEMES.system;
  byId("theme").setAttribute("aria-label", `Theme: ${theme}`);
}

const isTyping = (target) => target.matches?.("input, select, textarea");

function focusFilter() {
  if (!overview.isShown) location.hash = "#/";
  byId("filter").focus();
  byId("filter").select();
}

function escape(target) {
  if (!overview.isShown) location.hash = "#/";
  else overview.clearFilter();
  if (isTyping(target)) target.blur();
}

const EVERYWHERE = {
  "/": focusFilter,
  "?": () => byId("help").showModal(),
  t: nextTheme,
};

const AMONG_GROUPS = {
  j: () => overview.move(1),
  ArrowDown: () => overview.move(1),
  k: () => overview.move(-1),
  ArrowUp: () => overview.move(-1),
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  if (event.key === "Escape") return escape(event.target);
  if (event.target === byId("filter") && event.key === "ArrowDown") event.target.blur();
  else if (isTyping(event.target)) return;
  const action = EVERYWHERE[event.key] ?? (overview.isShown ? AMONG_GROUPS[event.key] : group?.keys[event.key]);
  if (!action) return;
  event.preventDefault();
  action();
}

showTheme();
byId("theme").addEventListener("click", nextTheme);
byId("open-help").addEventListener("click", () => byId("help").showModal());
addEventListener("keydown", pressed);
addEventListener("hashchange", route);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => group?.redraw());
banner.begin();
board.start();
route();
