/** What the palette finds: each scope is some groups of hits, from here or from the server. */

import { get } from "../http.js";
import { counted, marked } from "../text.js";
import { brief } from "../times.js";
import { crest, flag } from "./portrait.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../types.js").Conversation} Conversation */
/** @typedef {import("../types.js").Account} Account */

/**
 * @typedef {object} Hit
 * @property {string} key
 * @property {HTMLElement | null} portrait
 * @property {string} title
 * @property {(Node | string)[]} said a line below the title
 * @property {string} aside a word at the end
 * @property {() => void} choose
 *
 * @typedef {{title: string, hits: Hit[]}} Group
 */

const FEW = 6;

/** Conversations of this user whose title has the text. @param {App} app @param {string} text @param {number} limit @returns {Group} */
export function joined(app, text, limit = FEW) {
  const wanted = text.toLowerCase();
  const { store } = app;
  const found = store
    .listed()
    .filter((one) => one.title.toLowerCase().includes(wanted) || one.name.includes(wanted))
    .sort((one, other) => Number(begins(other, wanted)) - Number(begins(one, wanted)));
  const hits = found.slice(0, limit).map((one) => conversationHit(app, one, store.unread(one) ? counted(store.unread(one), "new message") : ""));
  return { title: text ? "Your conversations" : "Recent", hits };
}

/** @param {Conversation} one @param {string} wanted */
const begins = (one, wanted) => one.title.toLowerCase().startsWith(wanted);

/** @param {App} app @param {Conversation} one @param {string} aside @returns {Hit} */
function conversationHit(app, one, aside) {
  return {
    key: `c${one.id}`,
    portrait: one.peer ? flag({ id: one.peer.id, name: one.peer.display }) : crest(one),
    title: one.title,
    said: [one.last ? one.last.text.slice(0, 100) : one.peer ? `@${one.peer.name}` : counted(one.members, "member")],
    aside,
    choose: () => app.visit(one),
  };
}

/**
 * Messages with the words, newest first.
 *
 * @param {App} app @param {string} text @param {number} conversation 0 for all @param {AbortSignal} signal
 * @param {number} limit
 * @returns {Promise<Group>}
 */
export async function messages(app, text, conversation, signal, limit = 50) {
  /** @type {{items: import("../types.js").Found[]}} */
  const { items } = await get("/api/search", { text, conversation }, signal);
  const hits = items.slice(0, limit).map(({ message, title }) => ({
    key: `m${message.seq}`,
    portrait: flag({ id: message.sender, name: message.sender_name }),
    title: message.sender_name,
    said: marked(message.text, text),
    aside: `${title} · ${brief(message.at)}`,
    choose: () => void lookInto(app, message, title),
  }));
  return { title: "Messages", hits };
}

/**
 * Show a message where it was said. A conversation that is not ours is a room to look into, of which
 * the directory tells the rest.
 *
 * @param {App} app @param {import("../types.js").Message} message @param {string} title
 */
async function lookInto(app, message, title) {
  const id = message.conversation;
  const known = app.store.conversations.get(id);
  app.visit(known ?? stranger(id, title), message.number);
  if (known) return;
  /** @type {{items: Conversation[]}} */
  const { items } = await get("/api/rooms", { text: title.toLowerCase() });
  const room = items.find((one) => one.id === id);
  if (room) app.store.know(room);
}

/** @param {number} id @param {string} title @returns {Conversation} a room of which nothing more is known */
function stranger(id, title) {
  return {
    id, title, kind: "room", name: title, members: 0, peer: null, member: false, last: null,
    delivered: 0, read: 0, others_delivered: 0, others_read: 0,
  };
}

/**
 * The directory of rooms, and the way to a new one.
 *
 * @param {App} app @param {string} text @param {AbortSignal} signal @param {number} limit
 * @param {boolean} create whether to offer a new room
 * @returns {Promise<Group>}
 */
export async function rooms(app, text, signal, limit = 50, create = false) {
  /** @type {{items: Conversation[]}} */
  const { items } = await get("/api/rooms", { text: text.toLowerCase() }, signal);
  const hits = items.slice(0, limit).map((one) => conversationHit(app, one, `${counted(one.members, "member")}${one.member ? " · joined" : ""}`));
  const taken = items.some((one) => one.name === text.toLowerCase() || one.title === text);
  if (create && text && !taken) hits.push(creation(app, text));
  return { title: "Rooms", hits };
}

/** @param {App} app @param {string} name @returns {Hit} */
function creation(app, name) {
  return {
    key: "create",
    portrait: crest({ id: 0, title: "+" }),
    title: `Create the room “${name}”`,
    said: ["Everybody can find it and join."],
    aside: "new",
    choose: () => void app.enter("/api/rooms", { name }),
  };
}

/** @param {App} app @param {string} text @param {AbortSignal} signal @param {number} limit @returns {Promise<Group>} */
export async function people(app, text, signal, limit = 50) {
  /** @type {{items: Account[]}} */
  const { items } = await get("/api/people", { text: text.toLowerCase() }, signal);
  const hits = items
    .filter((one) => one.id !== app.store.account.id)
    .slice(0, limit)
    .map((one) => ({
      key: `p${one.id}`,
      portrait: flag({ id: one.id, name: one.display }),
      title: one.display,
      said: [`@${one.name}`],
      aside: one.imported ? "came with old messages" : "",
      choose: () => void app.enter("/api/direct", { name: one.name }),
    }));
  return { title: "People", hits };
}

