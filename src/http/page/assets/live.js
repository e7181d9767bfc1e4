// Listens to what changes, and connects again when that ends.

import { Backoff, address } from "./api.js";

/** The server says something every 5 s, if only a comment: the browser notices who is gone. */
export class Live extends EventTarget {
  #backoff = new Backoff();
  #source = null;
  #retry = null;

  /** Dispatches `open`, `version` and `tick` with the told JSON, and `lost` with the pause. */
  start() {
    clearTimeout(this.#retry);
    this.#source?.close();
    const source = new EventSource(address("live"));
    source.addEventListener("open", () => this.#opened());
    source.addEventListener("error", () => this.#lost());
    for (const name of ["version", "tick"]) {
      source.addEventListener(name, ({ data }) => this.#tell(name, JSON.parse(data)));
    }
    this.#source = source;
  }

  #opened() {
    this.#backoff.reset();
    this.#tell("open", null);
  }

  #lost() {
    this.#source.close();
    const pause = this.#backoff.next();
    this.#retry = setTimeout(() => this.start(), pause);
    this.#tell("lost", pause);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
