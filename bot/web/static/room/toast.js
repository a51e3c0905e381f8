// toast.js: notes for this reader alone, which stay long enough to be read.

import { byId, el, icon } from "./dom.js";
import { say } from "./strings.js";

const SHORTEST_MS = 6000;
const LONGEST_MS = 20_000;
const PER_CHARACTER_MS = 90;
const SHOWN = 3;

export function toast(text, kind = "private") {
  const holder = byId("toasts");
  const close = el("button", { class: "plain", type: "button", "aria-label": say("toast_close") }, icon("close"));
  const node = el(
    "div",
    { class: `toast ${kind}` },
    el("p", { class: "toast-label" }, say(`toast_${kind}`)),
    el("div", { class: "toast-text" }, text),
    close,
  );
  const stay = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, text.length * PER_CHARACTER_MS));
  const leave = () => node.remove();
  let timer = setTimeout(leave, stay);
  for (const name of ["mouseenter", "focusin"]) node.addEventListener(name, () => clearTimeout(timer));
  for (const name of ["mouseleave", "focusout"]) {
    node.addEventListener(name, () => {
      clearTimeout(timer);
      timer = setTimeout(leave, SHORTEST_MS);
    });
  }
  close.addEventListener("click", leave);
  while (holder.children.length >= SHOWN) holder.firstChild.remove();
  holder.append(node);
}

export function dismissNewest() {
  byId("toasts").lastElementChild?.remove();
}

export function dismissAll() {
  byId("toasts").replaceChildren();
}
