// time.js: the demo's clock, and days and times as its group's time zone has them.

import { language, locale, say } from "./strings.js";

const MONTH = language === "zh" ? "long" : "short";
const formats = new Map();

function format(zone, options) {
  const key = zone + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale, { timeZone: zone, ...options }));
  return formats.get(key);
}

export class DemoClock {
  #set = Date.now();
  #at = performance.now();
  zone = "Asia/Shanghai";

  set(now, zone = this.zone) {
    this.#set = Date.parse(now);
    this.#at = performance.now();
    this.zone = zone;
  }

  now() {
    return new Date(this.#set + performance.now() - this.#at);
  }

  time(date) {
    return format(this.zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(date);
  }

  date(date) {
    return format(this.zone, { month: MONTH, day: "numeric", weekday: "short" }).format(date);
  }

  weekday(date) {
    return format(this.zone, { weekday: "short" }).format(date);
  }

  // The calendar day as a key: equal for two moments of the same day in the group's zone.
  day(date) {
    const parts = format(this.zone, { year: "numeric", month: "2-digit", day: "2-digit" }).formatToParts(date);
    const of = (type) => parts.find((part) => part.type === type).value;
    return `${of("year")}-${of("month")}-${of("day")}`;
  }

  // What a separator between two days says.
  dayName(date) {
    const today = this.day(this.now());
    const days = (Date.parse(today) - Date.parse(this.day(date))) / 86_400_000;
    if (days === 0) return say("today");
    if (days === 1) return say("yesterday");
    const year = this.day(date).slice(0, 4) === today.slice(0, 4) ? {} : { year: "numeric" };
    return format(this.zone, { ...year, month: MONTH, day: "numeric", weekday: "short" }).format(date);
  }
}
