// avatar.js: a round picture made of a name's initials, coloured by the person's id.

import { el, icon } from "./dom.js";

const TONES = 10;
const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

export function tone(id) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(id)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % TONES;
}

export function initials(name) {
  const start = [...graphemes.segment(name.trim().slice(0, 200))].map((part) => part.segment);
  if (start.length <= 4 && /^\p{Script=Han}+$/u.test(start.join(""))) {
    return start.length === 2 ? start.join("") : start[0];
  }
  const latin = name.match(/^\s*([a-z])[a-z]*\s+([a-z])/i);
  return latin ? (latin[1] + latin[2]).toUpperCase() : (start[0] ?? "?").toUpperCase();
}

export function avatar(person) {
  if (person.kind === "bot") {
    return el("span", { class: "avatar round-mark bot-mark", "aria-hidden": "true" }, icon("bot"));
  }
  const letters = initials(person.name);
  const size = [...graphemes.segment(letters)].length === 1 ? "single" : "double";
  const attributes = { class: `avatar ${size} tone-${tone(person.id)}`, "aria-hidden": "true" };
  return el("span", attributes, el("bdi", {}, letters));
}
