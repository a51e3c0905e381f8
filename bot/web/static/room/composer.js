// composer.js: where a message is written: growing box, keys, quick commands, a draft per chat.

import { arrowKeys, byId, el } from "./dom.js";
import { say } from "./strings.js";

const LIMIT = 4096;
const WARN = 200;

export class Composer {
  #box = byId("say");
  #chips = byId("chips");
  #drafts = new Map();
  #place = "";
  #send;

  constructor(send) {
    this.#send = send;
    this.#box.addEventListener("input", () => this.#fit());
    this.#box.addEventListener("keydown", (event) => this.#key(event));
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    arrowKeys(this.#chips, "button", (next, items) => {
      items.forEach((item) => item.setAttribute("tabindex", item === next ? "0" : "-1"));
    });
  }

  // Shows the draft of another chat; `place` names it.
  enter(place, placeholder) {
    if (place !== this.#place) {
      this.#drafts.set(this.#place, this.#box.value);
      this.#place = place;
      this.#box.value = this.#drafts.get(place) ?? "";
    }
    this.#box.placeholder = placeholder;
    this.#fit();
  }

  // A chip is sent as it stands; one that ends in a space waits for the rest to be typed.
  chips(list) {
    const drawing = JSON.stringify(list);
    if (drawing === this.#chips.drawing) return;
    this.#chips.drawing = drawing;
    this.#chips.replaceChildren(
      ...list.map(({ label, text }, place) => {
        const attributes = { class: "chip", type: "button", tabindex: place === 0 ? "0" : "-1" };
        return el("button", { ...attributes, onclick: () => this.#chip(text) }, el("bdi", {}, label));
      }),
    );
  }

  focus() {
    this.#box.focus({ preventScroll: true });
  }

  #chip(text) {
    if (!text.endsWith(" ")) {
      this.#send(text);
      return;
    }
    this.#box.value = text;
    this.#fit();
    this.focus();
  }

  #key(event) {
    // keyCode 229: the key belongs to an input method that is still composing.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = this.#box.value.trim();
    this.focus();
    if (!text) return;
    this.#box.value = "";
    this.#fit();
    this.#send(text);
  }

  #fit() {
    this.#box.style.height = "auto";
    // A box that is not shown has no height to measure.
    if (this.#box.offsetParent) this.#box.style.height = `${this.#box.scrollHeight}px`;
    const left = LIMIT - this.#box.value.length;
    byId("left").hidden = left > WARN;
    byId("left").textContent = say("left", { n: left });
    byId("send").classList.toggle("ready", this.#box.value.trim() !== "");
  }
}
