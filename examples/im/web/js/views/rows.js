/** The rows of a conversation: days, the line above what is new, messages, and what is not sent. */

import { el, icon } from "../dom.js";
import { linked } from "../text.js";
import { clock, day, dayOf, exact } from "../times.js";
import { flag } from "./portrait.js";

/** @typedef {import("../types.js").Message} Message */
/** @typedef {import("../types.js").Unsent} Unsent */

/** Messages of one person within this many milliseconds stand together. */
const TOGETHER = 5 * 60_000;

/**
 * @typedef {{kind: "begin", title: string, direct: boolean}
 *   | {kind: "day", at: number}
 *   | {kind: "new"}
 *   | {kind: "message", message: Message, head: boolean, own: boolean, fate: string, target: boolean}
 *   | {kind: "unsent", unsent: Unsent, head: boolean, name: string, id: number}} Item
 */

/**
 * What a conversation shows, in order.
 *
 * @param {object} shown
 * @param {import("../store.js").Store} shown.store
 * @param {import("../types.js").Conversation} shown.conversation
 * @param {import("../timeline.js").Timeline} shown.timeline
 * @param {Unsent[]} shown.unsent
 * @param {number} shown.newFrom number of the first new message; 0 for none
 * @param {number} shown.target number of the message that is pointed at; 0 for none
 * @returns {Item[]}
 */
export function itemsOf({ store, conversation, timeline, unsent, newFrom, target }) {
  /** @type {Item[]} */
  const items = [];
  if (timeline.complete) items.push({ kind: "begin", title: conversation.title, direct: conversation.kind === "direct" });
  let before = { sender: 0, at: -Infinity };
  const ahead = [...timeline.ahead.values()].sort((one, other) => one.number - other.number);
  const me = store.account.id;
  for (const message of [...timeline.items, ...ahead]) {
    let head = message.sender !== before.sender || message.at - before.at > TOGETHER;
    if (dayOf(message.at) !== dayOf(before.at)) {
      items.push({ kind: "day", at: message.at });
      head = true;
    }
    if (message.number === newFrom) {
      items.push({ kind: "new" });
      head = true;
    }
    const own = message.sender === me;
    const fate = own ? store.fate(conversation, message) : "";
    items.push({ kind: "message", message, head, own, fate, target: message.number === target });
    before = message;
  }
  // One whose acknowledgement was lost may have come with a page of history already.
  const stored = new Set(unsent.length ? timeline.items.map((message) => message.client_id) : []);
  for (const one of unsent) {
    if (stored.has(one.client_id)) continue;
    if (dayOf(one.at) !== dayOf(before.at)) items.push({ kind: "day", at: one.at });
    const head = before.sender !== me || one.at - before.at > TOGETHER;
    items.push({ kind: "unsent", unsent: one, head, name: store.account.display, id: me });
    before = { sender: me, at: one.at };
  }
  return items;
}

/** @param {Item} item @returns {string} */
export function keyOf(item) {
  if (item.kind === "message") return `m${item.message.seq}`;
  if (item.kind === "unsent") return `u${item.unsent.client_id}`;
  return item.kind === "day" ? `d${dayOf(item.at)}` : item.kind;
}

/** @param {Item} item @returns {string} */
export function lookOf(item) {
  if (item.kind === "message") return `${item.head}${item.fate}${item.target}`;
  if (item.kind === "unsent") return `${item.head}${item.unsent.state}`;
  return item.kind === "day" ? day(item.at) : "";
}

/** @param {Item} item @param {import("../app.js").App} app @returns {HTMLElement} */
export function make(item, app) {
  switch (item.kind) {
    case "begin":
      return el(
        "li",
        { class: "begin" },
        el("h2", {}, item.title),
        el("p", {}, item.direct ? "Only you two read this. Say something." : "This is where the room begins."),
      );
    case "day":
      return el("li", { class: "day" }, el("span", {}, day(item.at)));
    case "new":
      return el("li", { class: "new" }, el("span", {}, "New"));
    case "message":
      return said(item);
    case "unsent":
      return unsent(item, app);
  }
}

/** @param {Extract<Item, {kind: "message"}>} item */
function said({ message, head, own, fate, target }) {
  const time = el("time", { datetime: new Date(message.at).toISOString(), title: exact(message.at) }, clock(message.at));
  const kinds = ["message", head && "head", own && "own", target && "target"].filter(Boolean).join(" ");
  return el(
    "li",
    { class: kinds, "data-number": message.number, "data-client-id": message.client_id, "data-state": own ? fate : false },
    head && flag({ id: message.sender, name: message.sender_name }),
    head && el("p", { class: "by" }, el("b", {}, message.sender_name), time),
    !head && time,
    el("p", { class: "text" }, ...linked(message.text)),
    own && stamp(fate),
  );
}

const FATES = {
  sending: { picture: "clock", text: "Sending" },
  stored: { picture: "tick", text: "Stored" },
  delivered: { picture: "ticks", text: "Delivered" },
  read: { picture: "ticks", text: "Read" },
  failed: { picture: "alert", text: "Not sent" },
};

/** @param {string} fate */
function stamp(fate) {
  const { picture, text } = FATES[/** @type {keyof typeof FATES} */ (fate)];
  return el("span", { class: `fate ${fate}`, title: text }, icon(picture), el("span", { class: "unseen" }, text));
}

/** @param {Extract<Item, {kind: "unsent"}>} item @param {import("../app.js").App} app */
function unsent({ unsent: one, head, name, id }, app) {
  const failed = one.state === "failed";
  return el(
    "li",
    { class: `message own unsent ${head ? "head" : ""}`, "data-client-id": one.client_id, "data-state": one.state },
    head && flag({ id, name }),
    head && el("p", { class: "by" }, el("b", {}, name), el("time", {}, clock(one.at))),
    !head && el("time", {}, clock(one.at)),
    el("p", { class: "text" }, ...linked(one.text)),
    stamp(one.state),
    failed &&
      el(
        "p",
        { class: "failure" },
        `Not sent: ${one.reason} `,
        el("button", { type: "button", class: "link", click: () => app.outbox.retry(one) }, "Try again"),
        " ",
        el("button", { type: "button", class: "link", click: () => app.outbox.discard(one) }, "Discard"),
      ),
  );
}
