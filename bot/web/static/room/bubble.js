// bubble.js: draws one message: name, quoted message, text, time, state and buttons.

import { avatar, tone } from "./avatar.js";
import { el, icon } from "./dom.js";
import { say } from "./strings.js";

const LONG_TEXT = 1200;
const LONG_LINES = 24;
const RIGHT_TO_LEFT = /[\u0590-\u08ff\u200f\u202b\u202e\u2067\ufb1d-\ufdff\ufe70-\ufefc]/;

const isLong = (text) => text.length > LONG_TEXT || text.split("\n").length > LONG_LINES;

// What a bubble shows; two equal signatures need no new drawing.
export function signature(item, context) {
  const { message, status, error } = item;
  const quoted = quote(item, context);
  return JSON.stringify([message, status, error, quoted?.id, context.role(message.from), context.clock.zone]);
}

export function drawNotice(node, { message }) {
  node.replaceChildren(el("p", { class: "notice-text" }, message.text));
}

export function drawBubble(node, item, context) {
  const { message, status } = item;
  const focused = [...node.querySelectorAll(".inline")].indexOf(document.activeElement);
  const open = node.querySelector(".bubble")?.classList.contains("open") ?? false;
  const bubble = el(
    "div",
    { class: bubbleClasses(message, open) },
    nameLine(message, context),
    quoteLine(item, context),
    picture(node, message, context),
    el("div", { class: "body", "aria-hidden": message.picture ? "true" : null }, message.text),
    isLong(message.text) ? expander(open, context) : null,
    meta(message, status, context),
  );
  const stack = el("div", { class: "stack" }, bubble, inlineButtons(message, context), trouble(item, context));
  node.replaceChildren(avatar(message.from), stack);
  if (focused >= 0) node.querySelectorAll(".inline")[focused]?.focus();
}

function bubbleClasses(message, open) {
  const names = ["bubble"];
  if (message.picture) names.push("pictured");
  if (message.edited) names.push("edited");
  if (RIGHT_TO_LEFT.test(message.text)) names.push("rtl");
  if (isLong(message.text)) names.push("long");
  if (open) names.push("open");
  return names.join(" ");
}

function nameLine(message, context) {
  const own = context.isOwn(message.from);
  const role = context.role(message.from);
  return el(
    "div",
    { class: "name" },
    el("bdi", { class: `tint-${tone(message.from.id)}` }, own ? say("you") : message.from.name),
    role ? el("span", { class: "badge", "data-role": role }, say(`role_${role}`)) : null,
  );
}

// An answer directly below its question needs no quotation of it.
function quote({ message, previous }, context) {
  return message.reply_to === null || message.reply_to === previous ? undefined : context.find(message.reply_to);
}

function quoteLine(item, context) {
  const quoted = quote(item, context);
  if (!quoted) return null;
  const name = context.isOwn(quoted.from) ? say("you") : quoted.from.name;
  return el(
    "button",
    {
      class: "quote",
      type: "button",
      "aria-label": `${say("reply_to", { name })}: ${quoted.text.slice(0, 80)}`,
      onclick: () => context.onQuote(quoted.id),
    },
    el("bdi", { class: "quote-name" }, name),
    el("span", { class: "quote-text" }, quoted.text.slice(0, 160)),
  );
}

// The text says in words what the picture shows: it is read out once, as the picture's.
function picture(node, message, context) {
  if (!message.picture) return null;
  const { mark, width, height } = message.picture;
  const source = context.pictureUrl(message.id, mark);
  const shown = node.querySelector(".picture");
  if (shown?.getAttribute("src") === source) {
    shown.alt = message.text;
    return shown;
  }
  const image = el("img", { class: "picture", alt: message.text, width, height, decoding: "async" });
  image.addEventListener("error", () => {
    image.closest(".bubble")?.querySelector(".body").removeAttribute("aria-hidden");
    image.remove();
  });
  image.src = source;
  return image;
}

function expander(open, { onExpand }) {
  const button = el("button", { class: "expand", type: "button" }, say(open ? "collapse" : "expand"));
  button.addEventListener("click", () => {
    onExpand();
    const opened = button.closest(".bubble").classList.toggle("open");
    button.textContent = say(opened ? "collapse" : "expand");
  });
  return button;
}

function meta(message, status, { clock, isOwn }) {
  const at = new Date(message.at);
  return el(
    "span",
    { class: "meta" },
    message.edited ? el("span", { class: "edited-mark" }, say("edited")) : null,
    el("time", { datetime: message.at }, clock.time(at)),
    isOwn(message.from) ? state(status) : null,
  );
}

function state(status) {
  const [drawing, words] = { failed: ["alert", "failed"], done: ["check", "sent"] }[status] ?? ["wait", "sending"];
  return el("span", { class: `state state-${status}` }, icon(drawing), el("span", { class: "hidden" }, say(words)));
}

function inlineButtons(message, { linkUrl, onTap }) {
  if (message.buttons.length === 0) return null;
  const rows = message.buttons.map((row) =>
    el(
      "div",
      { class: "inline-row" },
      ...row.map(({ label, data, url }) => {
        if (url) {
          const link = { class: "inline", href: linkUrl(url), target: "_blank", rel: "noopener noreferrer" };
          return el("a", link, el("bdi", {}, label));
        }
        const button = el("button", { class: "inline", type: "button" }, el("bdi", {}, label));
        button.addEventListener("click", () => onTap(message.id, data, button));
        return button;
      }),
    ),
  );
  return el("div", { class: "inline-rows", role: "group", "aria-label": say("message_buttons") }, ...rows);
}

function trouble({ message, status, error }, { onRetry, onDiscard }) {
  if (status !== "failed") return null;
  return el(
    "div",
    { class: "trouble" },
    el("span", {}, error),
    el("button", { class: "retry", type: "button", onclick: () => onRetry(message.client) }, say("retry")),
    el("button", { class: "discard", type: "button", onclick: () => onDiscard(message.client) }, say("discard")),
  );
}
