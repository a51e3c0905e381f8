// room.js: opens the room: knows who and where you are, and lets the parts work together.

import * as api from "./api.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { byId, el, icon } from "./dom.js";
import { Messages } from "./messages.js";
import { People } from "./people.js";
import { language, say } from "./strings.js";
import { DemoClock } from "./time.js";
import { dismissAll, dismissNewest, toast } from "./toast.js";
import { LogView } from "./view.js";

const OVERDUE_MS = 6000;
const TICK_MS = 5000;

const clock = new DemoClock();
const connection = new Connection();
const places = new Map(); // one for each person and chat seen in this window
let place = null;
let state = null;
let shownDay = "";
let start = new URLSearchParams(location.search).get("start") ?? ""; // what an invitation carries

const app = byId("app");
const composer = new Composer((text) => speak(text));
const people = new People(
  (id) => address({ as: id }),
  (id) => go({ as: id }),
);
const view = new LogView(
  {
    clock,
    isOwn: (from) => from.id === place.as,
    role: roleOf,
    find: (id) => (place.chat === "group" ? place.messages.get(id) : undefined),
    linkUrl,
    pictureUrl: (id, mark) => api.pictureAddress(place.as, place.chat, id, mark),
    onTap: tap,
    onRetry: (client) => deliver(place, client),
    onDiscard: (client) => {
      place.messages.drop(client);
      view.draw(place.messages);
    },
  },
  emptyCard,
);

function address(change) {
  const wanted = { as: place.as, chat: place.chat, lang: language, ...change };
  return `?${new URLSearchParams(wanted)}`;
}

// The way into the group that a link of the room's own shows is gone as the one who has followed it.
function linkUrl(url) {
  const { origin, pathname, searchParams } = new URL(url, location);
  const ours = origin === location.origin && pathname === location.pathname;
  return ours && searchParams.get("chat") === "group" ? address({ chat: "group" }) : url;
}

// Somebody from outside follows an invitation: he opens a private chat with the bot.
function follow() {
  const words = `/start ${start}`;
  start = "";
  const guest = state.people.find((person) => !person.in_group)?.id ?? place.as;
  history.replaceState(null, "", address({ as: guest, chat: "private" }));
  enter(fromAddress());
  speak(words);
}

function fromAddress() {
  const query = new URLSearchParams(location.search);
  return { as: query.get("as") ?? "", chat: query.get("chat") === "private" ? "private" : "group" };
}

function placeOf(as, chat) {
  const key = JSON.stringify([as, chat]);
  if (!places.has(key)) {
    places.set(key, { key, as, chat, messages: new Messages(), line: Promise.resolve(), loading: null });
  }
  return places.get(key);
}

function go(change) {
  history.pushState(null, "", address(change));
  enter(fromAddress());
  focusComposer();
}

// On a touch screen the focus would call up the keyboard over the messages.
function focusComposer() {
  if (matchMedia("(hover: hover)").matches) composer.focus();
}

function enter({ as, chat }) {
  place?.loading?.abort();
  place = placeOf(as, chat);
  const here = place;
  dismissAll();
  view.reset();
  drawFrame();
  view.draw(place.messages);
  load(here);
  connection.follow(api.streamAddress(as, chat), {
    opened: () => here === place && load(here),
    message: (message) => hear(here, message),
    toast: ({ text }) => here === place && toast(text),
    state: () => here === place && load(here),
  });
}

async function load(here) {
  here.loading?.abort();
  here.loading = new AbortController();
  const { signal } = here.loading;
  const mark = here.messages.mark();
  try {
    const answer = await api.readState(here.as, here.chat, signal);
    if (here !== place || signal.aborted) return;
    if (answer.me !== here.as) {
      history.replaceState(null, "", address({ as: answer.me }));
      enter(fromAddress());
      return;
    }
    connection.found();
    state = answer;
    clock.set(answer.now, answer.zone);
    here.messages.replaceAll(answer.messages, mark);
    drawFrame();
    view.draw(here.messages);
    if (start) follow();
  } catch {
    if (!signal.aborted) connection.broken();
  }
}

function hear(here, message) {
  const fresh = here.messages.hear(message);
  if (here !== place) return;
  view.draw(here.messages);
  if (fresh && message.from.id !== here.as) view.arrived();
}

function speak(text) {
  if (!state) return;
  const client = api.newClient();
  const self = state.people.find((person) => person.id === place.as);
  const from = { id: self.id, name: self.name, kind: "person" };
  place.messages.compose(client, from, text, clock.now().toISOString());
  deliver(place, client);
  view.toBottom();
}

// Messages of one chat leave one after another, so that they arrive in the order they were written.
function deliver(here, client) {
  here.messages.mend(client, "pending");
  view.draw(place.messages);
  here.line = here.line.then(async () => {
    const entry = here.messages.outgoing(client);
    if (!entry) return;
    try {
      await api.sendText(here.as, here.chat, entry.message.text, client);
      here.messages.mend(client, "sent");
      setTimeout(() => here === place && here.messages.outgoing(client) && load(here), OVERDUE_MS);
    } catch (error) {
      here.messages.mend(client, "failed", error.message);
    }
    view.draw(place.messages);
  });
}

async function tap(message, data, button) {
  button.client ??= api.newClient();
  await busy(button, async () => {
    await api.tapButton(place.as, place.chat, message, data, button.client);
    button.client = undefined;
  });
}

// Does the deed of a button once at a time; what goes wrong is told.
async function busy(button, deed) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    await deed();
  } catch (error) {
    toast(error.message, "error");
  }
  button.removeAttribute("aria-busy");
}

function moveClock(button, hours) {
  busy(button, async () => {
    const { now } = await api.moveClock(hours);
    clock.set(now);
    drawClock();
    await load(place);
  });
}

// The roles that a bubble names: a reader should know the bot and the owner when they speak.
function roleOf(from) {
  if (from.kind === "bot") return "bot";
  return state?.people.some((person) => person.id === from.id && person.role === "owner") ? "owner" : "";
}

function drawFrame() {
  const group = place.chat === "group";
  app.dataset.chat = place.chat;
  composer.enter(place.key, say(group ? "placeholder_group" : "placeholder_private"));
  for (const link of byId("chats").children) {
    link.href = address({ chat: link.dataset.chat });
    if (link.dataset.chat === place.chat) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  byId("language").href = address({ lang: language === "zh" ? "en" : "zh" });
  if (!state) return;
  const self = state.people.find((person) => person.id === place.as);
  if (self) {
    people.draw(state.people, self.id);
    document.title = `${self.name} · ${say("page_title")}`;
  }
  const members = state.group.members === 1 ? say("member") : say("members", { n: state.group.members });
  byId("chat-group-line").textContent = state.group.title;
  byId("head-title").textContent = group ? state.group.title : state.bot.name;
  byId("head-sub").textContent = group ? members : say("private_sub");
  byId("head-mark").replaceChildren(icon(group ? "tent" : "bot"));
  byId("head-mark").className = `avatar round-mark ${group ? "group-mark" : "bot-mark"}`;
  const outside = group && self !== undefined && !self.in_group;
  byId("join").hidden = !outside;
  byId("composer").hidden = outside;
  byId("chips").hidden = outside;
  byId("say-hint").hidden = outside;
  composer.chips(state.chips);
  drawClock();
}

function drawClock() {
  const now = clock.now();
  byId("clock-time").textContent = clock.time(now);
  byId("clock-time").dateTime = now.toISOString();
  byId("clock-date").textContent = clock.date(now);
  byId("clock-weekday").textContent = clock.weekday(now);
  byId("clock-shifted").hidden = !state.shifted;
  byId("clock-hour").hidden = !state.demo;
  byId("clock-day").hidden = !state.demo;
}

function emptyCard() {
  const group = place.chat === "group";
  const self = state.people.find((person) => person.id === place.as);
  const which = group ? "empty_group" : "empty_private";
  const word = say(`${which}_word`);
  const title = el("p", { class: "empty-title" }, say(`${which}_title`));
  const lesson =
    group && !self.in_group
      ? el("p", {}, say("empty_stranger"))
      : el(
          "p",
          {},
          `${say(`${which}_before`)} `,
          el("button", { class: "chip", type: "button", onclick: () => speak(word) }, word),
          ` ${say(`${which}_after`)}`,
        );
  return el("div", { class: "empty" }, icon("tent"), title, lesson);
}

byId("chats").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go({ chat: link.dataset.chat });
});
byId("clock-hour").addEventListener("click", (event) => moveClock(event.currentTarget, 1));
byId("clock-day").addEventListener("click", (event) => moveClock(event.currentTarget, 24));
byId("join-button").addEventListener("click", (event) => {
  busy(event.currentTarget, async () => {
    await api.joinGroup(place.as);
    await load(place);
    focusComposer();
  });
});
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  composer.focus();
});
addEventListener("popstate", () => enter(fromAddress()));
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !byId("people").open) dismissNewest();
});
setInterval(() => {
  if (!state) return;
  const today = clock.day(clock.now());
  drawClock();
  if (today !== shownDay) view.draw(place.messages);
  shownDay = today;
}, TICK_MS);

enter(fromAddress());
focusComposer();
