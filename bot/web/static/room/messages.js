// messages.js: one chat's messages: those the server has, and those still on their way to it.

const KEPT = 400;

export class Messages {
  #known = new Map();
  #outgoing = new Map();
  #heard = 0;
  loaded = false;

  // A mark to take before the state is asked for: what is heard after it is newer than the answer.
  mark() {
    return this.#heard;
  }

  hear(message) {
    this.#heard += 1;
    const known = this.#known.get(message.id);
    const stray = message.edited && (!known || known.stray); // a change of a message not shown here
    this.#known.set(message.id, { message, heard: this.#heard, stray });
    this.#settle(message);
    if (this.#known.size > KEPT) this.#known.delete(this.#known.keys().next().value);
    return !known && !stray;
  }

  replaceAll(messages, mark) {
    const later = [...this.#known].filter(([, entry]) => entry.heard > mark);
    this.#known = new Map(messages.map((message) => [message.id, { message, heard: 0, stray: false }]));
    for (const [id, entry] of later) {
      if (!entry.stray) this.#known.set(id, entry);
      else if (this.#known.has(id)) this.#known.set(id, { ...entry, stray: false });
    }
    messages.forEach((message) => this.#settle(message));
    this.loaded = true;
  }

  compose(client, from, text, at) {
    const message = { id: client, from, text, at, buttons: [], reply_to: null, edited: false, client };
    this.#outgoing.set(client, { message, status: "pending", error: "" });
  }

  mend(client, status, error = "") {
    const entry = this.#outgoing.get(client);
    if (entry) this.#outgoing.set(client, { ...entry, status, error });
  }

  drop(client) {
    this.#outgoing.delete(client);
  }

  outgoing(client) {
    return this.#outgoing.get(client);
  }

  get(id) {
    return this.#known.get(id)?.message;
  }

  // All bubbles from old to new; a bubble keeps its key when the server confirms it.
  list() {
    const settled = [...this.#known.values()]
      .filter((entry) => !entry.stray)
      .map(({ message }) => ({ key: this.#key(message), message, status: "done", error: "" }));
    const waiting = [...this.#outgoing.values()].map((entry) => ({ key: `c${entry.message.client}`, ...entry }));
    const all = [...settled, ...waiting];
    return all.map((item, place) => ({ ...item, previous: all[place - 1]?.message.id }));
  }

  #key(message) {
    return message.client && message.from.kind === "person" ? `c${message.client}` : `m${message.id}`;
  }

  #settle(message) {
    if (message.client && message.from.kind === "person") this.#outgoing.delete(message.client);
  }
}
