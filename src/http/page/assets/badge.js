// A word with its sign and colour: never by colour alone.

import { element } from "./element.js";

export function badgeElement(kind, sign, word) {
  return element("span", { class: `badge ${kind}` }, element("span", { "aria-hidden": "true" }, sign), ` ${word}`);
}
