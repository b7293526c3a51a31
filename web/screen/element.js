/** Making and changing elements of the page, and nothing when nothing changed. */

const SVG = "http://www.w3.org/2000/svg";

/** The element with an id, which the page must have. */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

/** A new element with a class, and text or children in it. */
export function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

/** A new element of SVG. */
export function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Set a text, where it is another one. */
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Set a `data-` value, where it is another one. */
export function mark(target, name, value) {
  const text = String(value);
  if (target.dataset[name] !== text) target.dataset[name] = text;
}
