// Listens to what changes, and connects again when that ends.

import { Backoff, address } from "./api.js";

/** A version is told each 10 s at least; a connection that is silent for longer leads nowhere. */
const LONGEST_SILENCE_MS = 30_000;

/** Dispatches `open`, `version` and `tick` with the told JSON, and `lost` with the pause until the next try. */
export class Live extends EventTarget {
  #backoff = new Backoff();
  #source = null;
  #next = null;

  start() {
    this.stop();
    const source = new EventSource(address("live"));
    source.addEventListener("open", () => this.#opened());
    source.addEventListener("error", () => this.#lost());
    for (const name of ["version", "tick"]) {
      source.addEventListener(name, ({ data }) => this.#heard(name, JSON.parse(data)));
    }
    this.#source = source;
    this.#waitFor(LONGEST_SILENCE_MS, () => this.#lost());
  }

  /** Browsers have few connections for one host: a page that nobody looks at gives its up. */
  stop() {
    clearTimeout(this.#next);
    this.#source?.close();
  }

  #opened() {
    this.#backoff.reset();
    this.#tell("open", null);
  }

  #heard(name, told) {
    this.#waitFor(LONGEST_SILENCE_MS, () => this.#lost());
    this.#tell(name, told);
  }

  #lost() {
    this.#source.close();
    const pause = this.#backoff.next();
    this.#waitFor(pause, () => this.start());
    this.#tell("lost", pause);
  }

  #waitFor(pause, next) {
    clearTimeout(this.#next);
    this.#next = setTimeout(next, pause);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
