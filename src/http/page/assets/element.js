// Builds elements. Text goes in as text, never as HTML: names come from Kafka.

/**
 * `element("td", { class: "lag", title: name }, "12")`. Attributes that are
 * null, undefined or false are left out; `on…` are listeners.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for a drawing. */
export function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/** Sets a text if it is another one, so that nothing is announced twice. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** A colour of the theme in force, for what is drawn on a canvas. */
export function colour(name) {
  const probe = byId("probe");
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}
