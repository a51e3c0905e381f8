// api.js: the page's requests to the server; every failure becomes a sentence for the reader.

import { language, say } from "./strings.js";

const PATIENCE_MS = 15_000;

async function request(path, options, signal) {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  let response;
  try {
    response = await fetch(path, { ...options, signal: signal ? AbortSignal.any([signal, patience]) : patience });
  } catch (error) {
    throw signal?.aborted ? error : new Error(say("error_network"));
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.error ?? say("error_server"));
  return body;
}

function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-Room": "1" };
  return request(path, { method: "POST", headers, body: JSON.stringify({ ...body, lang: language }) });
}

const query = (as, chat) => new URLSearchParams({ as, chat, lang: language });

export const readState = (as, chat, signal) => request(`/room/state?${query(as, chat)}`, {}, signal);
export const streamAddress = (as, chat) => `/room/stream?${query(as, chat)}`;
export const pictureAddress = (as, chat, message, mark) =>
  `/room/picture/${message}?${new URLSearchParams({ as, chat, mark })}`;
export const sendText = (as, chat, text, client) => post("/room/say", { as, chat, text, client });
export const tapButton = (as, chat, message, data, client) =>
  post("/room/tap", { as, chat, message, data, client });
export const moveClock = (hours) => post("/room/clock", { hours });
export const joinGroup = (as) => post("/room/join", { as });

// Names one deed, so that a retry of it is known to be the same.
export function newClient() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
