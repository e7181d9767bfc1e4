// All groups as last told: loaded once, then kept up by what changes.

import { Backoff, Refusal, get } from "./api.js";
import { answered, clustersAre, failed } from "./banner.js";
import { keyOf } from "./attention.js";
import { Live } from "./live.js";

const FIRST_PAGE = 60;
const PAGE = 2_000;
const POINTS = 60;
/** Groups whose points are asked for at once. */
const MOST_NAMES = 60;
/** Points are asked for again when there is a new one, but not each second while history is young. */
const POINTS_LEAST_AGE_MS = 5_000;

/** Dispatches `change` after each change, and `tick` with what changed. */
export class Board extends EventTarget {
  groups = new Map();
  isLoaded = false;
  #version = null;
  #points = new Map();
  #live = new Live();
  #backoff = new Backoff();
  #loading = false;
  #ticks = [];

  start() {
    this.#live.addEventListener("open", answered);
    this.#live.addEventListener("lost", ({ detail }) => failed(null, detail));
    this.#live.addEventListener("version", ({ detail }) => this.#heardOf(detail));
    this.#live.addEventListener("tick", ({ detail }) => this.#tick(detail));
    document.addEventListener("visibilitychange", () => this.#seen());
    this.#load();
  }

  /** Who comes back is told the newest version, and asks for what was missed. */
  #seen() {
    if (document.hidden) this.#live.stop();
    else if (this.isLoaded) this.#live.start();
  }

  /** The lag of the last hour; null while it is not known yet. */
  pointsOf(key) {
    return this.#points.get(key)?.lags ?? null;
  }

  /** Asks for the points of these groups that are not there or old. */
  async refreshPoints(groups) {
    const now = Date.now();
    const old = groups.filter((group) => !(this.#points.get(keyOf(group))?.until > now));
    const wanted = old.slice(0, MOST_NAMES);
    // While they are asked for, nobody asks again.
    for (const group of wanted) this.#keepPoints(group, this.pointsOf(keyOf(group)), undefined);
    const clusters = Map.groupBy(wanted, ({ cluster }) => cluster);
    for (const [cluster, those] of clusters) {
      const names = JSON.stringify(those.map(({ group }) => group));
      await this.#ask({ cluster, groups: names, points: POINTS, limit: MOST_NAMES });
    }
  }

  async #ask(parameters) {
    try {
      const { groups, points } = await get("overview", parameters);
      for (const { lags, ...group } of groups) this.#keepPoints(group, lags, points);
      this.#changed();
    } catch {
      // The lines that are there stay; the connection's state is told elsewhere.
    }
  }

  /** Loads all groups, again and again until that is done; then listens. */
  async #load() {
    try {
      await this.#loadAll({ limit: FIRST_PAGE, points: POINTS });
      this.#backoff.reset();
      answered();
      this.#live.start();
    } catch (cause) {
      this.#retry(cause);
    }
  }

  /** Page by page; of the first load each is shown at once. */
  async #loadAll(first) {
    this.#loading = true;
    try {
      const groups = new Map();
      for (let [asked, total] = [first, 1]; groups.size < total; asked = { limit: PAGE, offset: groups.size }) {
        const page = await get("overview", asked);
        this.#take(page, groups);
        // Fewer than there were: what came or went between two pages is told live.
        if (page.groups.length === 0) break;
        total = page.total;
      }
      this.groups = groups;
      for (const tick of this.#ticks.splice(0)) this.#apply(tick);
      this.#changed();
    } finally {
      this.#loading = false;
    }
  }

  #retry(cause) {
    const pause = this.#backoff.next();
    failed(cause instanceof Refusal ? cause.message : null, pause);
    setTimeout(() => this.#load(), pause);
  }

  #take({ version, clusters, groups, points }, into) {
    this.#version = version;
    clustersAre(clusters);
    for (const { lags, ...group } of groups) {
      into.set(keyOf(group), group);
      if (lags) this.#keepPoints(group, lags, points);
    }
    if (!this.isLoaded) {
      this.groups = into;
      this.isLoaded = true;
      this.#changed();
    }
  }

  #keepPoints(group, lags, points) {
    const age = Math.max(POINTS_LEAST_AGE_MS, (points?.step_seconds ?? 0) * 1_000);
    this.#points.set(keyOf(group), { lags, until: Date.now() + age });
  }

  #heardOf({ version, clusters }) {
    answered();
    clustersAre(clusters);
    if (version !== this.#version) this.#reload();
  }

  /** What was missed is asked for; the connection stays. */
  async #reload() {
    if (this.#loading) return;
    try {
      await this.#loadAll({ limit: PAGE });
    } catch {
      // The next tick is of a version that follows another one: asked again then.
      this.#version = null;
    }
  }

  #tick(tick) {
    answered();
    clustersAre(tick.clusters);
    if (this.#loading) this.#ticks.push(tick);
    else this.#apply(tick);
  }

  #apply(tick) {
    if (tick.version <= this.#version) return;
    this.#version = tick.version;
    for (const group of tick.groups) this.groups.set(keyOf(group), group);
    for (const [cluster, group] of tick.gone) {
      this.groups.delete(keyOf({ cluster, group }));
      this.#points.delete(keyOf({ cluster, group }));
    }
    this.#changed();
    this.dispatchEvent(new CustomEvent("tick", { detail: tick }));
    if (tick.left_off > 0) this.#reload();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
