// The range that is looked at, and the buttons that change it.

import { element, setText } from "./element.js";
import { duration, range as rangeText } from "./format.js";
import { PRESETS, lengthOf } from "./range.js";

export class Toolbar {
  root;
  #range = element("output", { class: "range", id: "range" });
  #levels = element("span", { class: "quiet", id: "levels" });
  #live;
  #presets;
  #topics;

  /** `keys` are the actions by key, which the buttons share. */
  constructor({ keys, onTopic }) {
    const button = (name, sign, key) => {
      const says = { "aria-label": name, title: `${name} (${sign})`, "aria-keyshortcuts": key };
      return element("button", { type: "button", ...says, onclick: () => keys[key]() }, sign);
    };
    this.#presets = PRESETS.map(({ name }, place) =>
      element("button", { type: "button", "aria-label": `Last ${name}`, onclick: () => keys[place + 1]() }, name),
    );
    this.#live = element(
      "button",
      { type: "button", class: "live", title: "Back to live (l)", "aria-keyshortcuts": "l", onclick: () => keys.l() },
      "Live",
    );
    this.#topics = element("select", { "aria-label": "Topic", onchange: ({ target }) => onTopic(target.value) });
    this.root = element(
      "div",
      { class: "toolbar", role: "toolbar", "aria-label": "Range of time" },
      element("div", { class: "buttons" }, ...this.#presets),
      element(
        "div",
        { class: "buttons" },
        button("Earlier", "←", "ArrowLeft"),
        button("Zoom in", "+", "+"),
        button("Zoom out", "−", "-"),
        button("Later", "→", "ArrowRight"),
        this.#live,
      ),
      this.#topics,
      element("p", {}, this.#range, " ", this.#levels),
    );
  }

  showRange(range) {
    setText(this.#range, rangeText(range.from, range.to));
    Object.assign(this.#range.dataset, { from: Math.round(range.from), to: Math.round(range.to) });
    this.#live.setAttribute("aria-pressed", range.live);
    this.#presets.forEach((button, place) => {
      const isThis = range.live && Math.abs(PRESETS[place].length - lengthOf(range)) < 1_000;
      button.setAttribute("aria-pressed", isThis);
    });
  }

  /** How fine what is drawn is, and from which levels of history. */
  showResolution(points, resolution, levels) {
    const from = levels ? `, from ${levels}` : "";
    const says = points > 0 ? `a point each ${duration(resolution)}${from}` : "nothing was recorded in this range";
    setText(this.#levels, says);
  }

  offerTopics(names, chosen) {
    this.#topics.hidden = names.length < 2;
    const known = [...this.#topics.options].slice(1).map(({ value }) => value);
    if (JSON.stringify(names) === JSON.stringify(known)) return;
    const all = element("option", { value: "" }, "All topics");
    this.#topics.replaceChildren(all, ...names.map((name) => element("option", { value: name }, name)));
    this.#topics.value = chosen;
  }
}
