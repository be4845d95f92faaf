/** Times as people say them, in the place and language of the browser. */

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const WEEKDAY = new Intl.DateTimeFormat("en", { weekday: "long" });
const DATE = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long" });
const FULL_DATE = new Intl.DateTimeFormat("en", { day: "numeric", month: "long", year: "numeric" });
const SHORT_DATE = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });
const SHORT_FULL = new Intl.DateTimeFormat("en", { month: "short", year: "numeric" });
const EXACT = new Intl.DateTimeFormat("en", { dateStyle: "full", timeStyle: "medium" });

/** @param {number} at @returns {string} as in 14:05 */
export const clock = (at) => CLOCK.format(at);

/** @param {number} at @returns {string} with the day and the second */
export const exact = (at) => EXACT.format(at);

/** Days since 1970 where the reader is. @param {number} at @returns {number} */
export function dayOf(at) {
  const date = new Date(at);
  return Math.floor(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000);
}

/** The day of a time: Today, Yesterday, Friday, 3 May 2019. @param {number} at @param {number} [now] */
export function day(at, now = Date.now()) {
  const ago = dayOf(now) - dayOf(at);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  if (new Date(at).getFullYear() === new Date(now).getFullYear()) return DATE.format(at);
  return FULL_DATE.format(at);
}

/** The same, as short as a list needs it. @param {number} at @param {number} [now] */
export function brief(at, now = Date.now()) {
  const ago = dayOf(now) - dayOf(at);
  if (ago === 0) return clock(at);
  if (ago === 1) return "Yesterday";
  if (ago < 7 && ago > 0) return WEEKDAY.format(at).slice(0, 3);
  if (new Date(at).getFullYear() === new Date(now).getFullYear()) return SHORT_DATE.format(at);
  return SHORT_FULL.format(at);
}

/** When somebody was last there. @param {number} at @param {number} [now] */
export function lastSeen(at, now = Date.now()) {
  if (!at) return "not here";
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return "here a moment ago";
  if (minutes < 60) return `here ${minutes} min ago`;
  return `last here ${dayOf(now) === dayOf(at) ? `at ${clock(at)}` : day(at, now)}`;
}
