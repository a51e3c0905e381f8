// view.js: the column of messages: days, groups of bubbles, scrolling, and the way back down.

import { drawBubble, drawNotice, signature } from "./bubble.js";
import { arrange, byId, el } from "./dom.js";
import { say } from "./strings.js";

const NEAR_PX = 90;
const GROUP_MS = 5 * 60_000;
const FLASH_MS = 1400;

export class LogView {
  #log = byId("log");
  #column = byId("column");
  #pill = byId("pill");
  #nodes = new Map();
  #unread = 0;
  #down = true;
  #lively = false;
  #context;
  #empty;

  // `context`: clock, isOwn(), role(), find(), pictureUrl(), onTap(), onRetry(), onDiscard();
  // `empty`: draws what stands in a chat without messages.
  constructor(context, empty) {
    const onExpand = () => (this.#down = false); // the reader wants the text's beginning, not the log's end
    this.#context = { ...context, onExpand, onQuote: (id) => this.#showQuoted(id) };
    this.#empty = empty;
    this.#log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#pill.addEventListener("click", () => {
      this.toBottom(true);
      this.#log.focus({ preventScroll: true });
    });
    const stay = new ResizeObserver(() => this.#down && this.toBottom());
    stay.observe(this.#log);
    stay.observe(this.#column);
  }

  // Another chat or another person: nothing of the old log stays.
  reset() {
    this.#log.setAttribute("aria-live", "off");
    this.#nodes.clear();
    this.#column.replaceChildren();
    this.#unread = 0;
    this.#down = true;
    this.#lively = false;
    this.#drawPill();
  }

  draw(messages) {
    const wanted = messages.list();
    if (wanted.length > 0) arrange(this.#column, this.#drawn(wanted));
    else this.#column.replaceChildren(messages.loaded ? this.#empty() : el("p", { class: "loading" }, say("loading")));
    if (this.#down) this.toBottom();
    if (!messages.loaded || this.#lively) return;
    this.#lively = true; // from now on, what comes is news: it moves in and is read out
    requestAnimationFrame(() => this.#log.setAttribute("aria-live", "polite"));
  }

  // Somebody else said something: counted while the reader looks at older messages.
  arrived() {
    if (this.#down) return;
    this.#unread += 1;
    this.#drawPill();
  }

  toBottom(smooth = false) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.#log.scrollTo({ top: this.#log.scrollHeight, behavior: smooth && !calm ? "smooth" : "instant" });
    this.#down = true;
    this.#unread = 0;
    this.#drawPill();
  }

  #drawn(items) {
    const nodes = [];
    const kept = new Map();
    let day = "";
    items.forEach((item, place) => {
      const at = new Date(item.message.at);
      const today = this.#context.clock.day(at);
      if (today !== day) nodes.push(this.#dayNode(`d${today}`, at, kept));
      const node = this.#messageNode(item, kept);
      node.classList.toggle("first", today !== day || !sameGroup(items[place - 1], item));
      const next = items[place + 1];
      const ends = !next || !sameGroup(item, next) || this.#context.clock.day(new Date(next.message.at)) !== today;
      node.classList.toggle("last", ends);
      nodes.push(node);
      day = today;
    });
    this.#nodes = kept;
    return nodes;
  }

  #dayNode(name, at, kept) {
    let key = name;
    while (kept.has(key)) key += "+";
    const node = this.#nodes.get(key) ?? el("div", { class: "day" }, el("span", {}));
    const words = this.#context.clock.dayName(at);
    if (node.firstChild.textContent !== words) node.firstChild.textContent = words;
    kept.set(key, node);
    return node;
  }

  #messageNode(item, kept) {
    const { message } = item;
    const node = this.#nodes.get(item.key) ?? el("div", { class: this.#lively ? "message fresh" : "message" });
    const drawing = signature(item, this.#context);
    if (node.drawing !== drawing) {
      node.drawing = drawing;
      node.dataset.id = message.id;
      node.classList.add(message.from.kind === "notice" ? "notice" : "talks");
      node.classList.toggle("own", this.#context.isOwn(message.from));
      node.classList.toggle("waiting", item.status === "pending" || item.status === "sent");
      if (message.from.kind === "notice") drawNotice(node, item);
      else drawBubble(node, item, this.#context);
    }
    kept.set(item.key, node);
    return node;
  }

  #showQuoted(id) {
    const node = [...this.#nodes.values()].find((candidate) => candidate.dataset.id === id);
    if (!node) return;
    node.scrollIntoView({ block: "center" });
    node.classList.add("flash");
    setTimeout(() => node.classList.remove("flash"), FLASH_MS);
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    this.#down = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    if (this.#down) this.#unread = 0;
    this.#drawPill();
  }

  #drawPill() {
    this.#pill.hidden = this.#down;
    this.#pill.classList.toggle("counts", this.#unread > 0);
    byId("pill-text").textContent = this.#unread > 0 ? say("new_messages", { n: this.#unread }) : say("jump");
  }
}

function sameGroup(one, other) {
  const near = Math.abs(Date.parse(other.message.at) - Date.parse(one.message.at)) < GROUP_MS;
  return near && one.message.from.kind !== "notice" && one.message.from.id === other.message.from.id;
}
