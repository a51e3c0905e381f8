// strings.js: the page's words in the reader's language, as the server put them into the page.

const words = JSON.parse(document.getElementById("room-strings").textContent);

export const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
export const locale = language === "zh" ? "zh-CN" : "en-GB";

export function say(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
