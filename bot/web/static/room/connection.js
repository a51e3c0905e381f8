// connection.js: keeps the live line of the current chat, and says when it is lost.

import { byId, el } from "./dom.js";
import { Stream } from "./stream.js";
import { say } from "./strings.js";

const HICCUP_MS = 900;
const HIDDEN_MS = 30_000;

export class Connection {
  #stream = null;
  #bannerTimer = 0;
  #hiddenTimer = 0;
  #asleep = false;

  constructor() {
    addEventListener("online", () => this.#stream?.open());
    addEventListener("pagehide", () => this.#stream?.close());
    addEventListener("pageshow", (event) => event.persisted && this.#stream?.open());
    document.addEventListener("visibilitychange", () => this.#visibility());
  }

  follow(address, ears) {
    this.#stream?.close();
    this.#stream = new Stream(address, { ...ears, lost: () => this.#lost() });
    this.#stream.open();
  }

  // The server answered: if the line is up too, nothing is lost any more.
  found() {
    if (!this.#stream?.live) return;
    this.#stream.settle();
    clearTimeout(this.#bannerTimer);
    this.#bannerTimer = 0;
    byId("banner").replaceChildren();
  }

  // The server did not answer: begin anew with the line.
  broken() {
    this.#stream?.retry();
  }

  #lost() {
    if (this.#bannerTimer) return;
    this.#bannerTimer = setTimeout(() => {
      const retry = el("button", { class: "key", type: "button" }, say("retry_now"));
      retry.addEventListener("click", () => this.#stream?.open());
      byId("banner").replaceChildren(el("span", {}, say("lost")), retry);
    }, HICCUP_MS);
  }

  // A page that nobody looks at gives its line back: browsers have only six for one server.
  #visibility() {
    clearTimeout(this.#hiddenTimer);
    if (document.hidden) {
      this.#hiddenTimer = setTimeout(() => {
        this.#asleep = true;
        this.#stream?.close();
      }, HIDDEN_MS);
    } else if (this.#asleep) {
      this.#asleep = false;
      this.#stream?.open();
    }
  }
}
