// people.js: who you are in this window, and the chooser that makes you somebody else.

import { avatar } from "./avatar.js";
import { arrowKeys, byId, el, icon } from "./dom.js";
import { say } from "./strings.js";

const ORDER = ["owner", "stranger", "member"]; // the few who are unlike the others come first

export class People {
  #dialog = byId("people");
  #list = byId("people-list");

  // `address(id)`: the page's address as that person; `choose(id)`: become that person here.
  constructor(address, choose) {
    this.address = address;
    this.choose = choose;
    byId("me").addEventListener("click", () => this.#open());
    byId("people-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    });
    arrowKeys(this.#list, ".person");
  }

  draw(people, me) {
    const self = people.find((person) => person.id === me);
    byId("me-avatar").replaceChildren(avatar(self));
    byId("me-name").textContent = self.name;
    byId("me-role").textContent = say(`role_${self.role}`);
    byId("me-role").dataset.role = self.role;
    const focused = [...this.#list.querySelectorAll("a")].indexOf(document.activeElement);
    const sorted = people.toSorted((one, other) => ORDER.indexOf(one.role) - ORDER.indexOf(other.role));
    this.#list.replaceChildren(...sorted.map((person) => this.#row(person, person.id === me)));
    this.#list.querySelectorAll("a")[focused]?.focus();
  }

  #open() {
    this.#dialog.showModal();
    this.#list.querySelector("[aria-current]")?.focus();
  }

  #row(person, current) {
    const link = el(
      "a",
      { class: "person", href: this.address(person.id), "aria-current": current ? "true" : null },
      avatar(person),
      el("span", { class: "person-name" }, person.name),
      el("span", { class: "badge", "data-role": person.role }, say(`role_${person.role}`)),
    );
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // the browser opens a window
      event.preventDefault();
      this.#dialog.close();
      this.choose(person.id);
    });
    const label = say("open_window", { name: person.name });
    const attributes = { class: "plain", href: this.address(person.id), target: "_blank", rel: "noopener" };
    return el("li", {}, link, el("a", { ...attributes, "aria-label": label, title: label }, icon("window")));
  }
}
