/** Signs by which people and rooms are told apart at a glance. */

import { el } from "../dom.js";
import { initials } from "../text.js";

const TONES = 10;
const CUTS = 5;

/**
 * A person's: a small signal flag, its colours and cut by their id.
 *
 * @param {{id: number, name: string}} person
 * @param {boolean} [online] whether a dot says that they are there; none when unknown
 */
export function flag({ id, name }, online) {
  const kinds = `portrait flag tone-${id % TONES} cut-${(id + Math.floor(id / TONES)) % CUTS}`;
  return el(
    "span",
    { class: kinds, "aria-hidden": "true" },
    initials(name),
    online === undefined ? null : el("i", { class: online ? "dot online" : "dot" }),
  );
}

/** A room's: its first letter. @param {{id: number, title: string}} room */
export function crest({ id, title }) {
  return el("span", { class: `portrait crest tone-${id % TONES}`, "aria-hidden": "true" }, initials(title).slice(0, 1));
}
