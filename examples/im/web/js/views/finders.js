/** What the palette finds: each scope is some groups of hits, from here or from the server. */

import { get, post } from "../http.js";
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
 * @property {() => Promise<Conversation>} [ask] the server, first; it may refuse
 * @property {(given?: Conversation) => void} choose go there, to what the server gave
 *
 * @typedef {{title: string, hits: Hit[], note?: string}} Group a note is a line below the hits
 */

const FEW = 6;

/** Hits of one kind, when nothing else is looked for. */
export const MANY = 50;

/** As in rules.py: what the name of a room may be, once blanks are dashes. */
const ROOM = /^[\p{L}\p{N}][\p{L}\p{N}_.+-]{1,59}$/u;

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
export async function messages(app, text, conversation, signal, limit = MANY) {
  /** @type {{items: import("../types.js").Found[]}} */
  const { items } = await get("/api/search", { text, conversation, limit: limit + 1 }, signal);
  const hits = items.slice(0, limit).map(({ message, title }) => ({
    key: `m${message.seq}`,
    portrait: flag({ id: message.sender, name: message.sender_name }),
    title: message.sender_name,
    said: marked(message.text, text),
    aside: `${title} · ${brief(message.at)}`,
    choose: () => void lookInto(app, message, title),
  }));
  return { title: "Messages", hits, note: items.length > limit ? `The newest ${limit} messages. Further words tell them apart.` : "" };
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
export async function rooms(app, text, signal, limit = MANY, create = false) {
  const name = text.normalize("NFKC").toLowerCase().replace(/\s+/gu, "-");
  /** @type {{items: Conversation[]}} */
  const { items } = await get("/api/rooms", { text: name, limit: limit + 1 }, signal);
  const hits = items.slice(0, limit).map((one) => conversationHit(app, one, [one.last && counted(one.members, "member"), one.member && "joined"].filter(Boolean).join(" · ")));
  const notes = [];
  if (items.length > limit) notes.push(`The ${limit} rooms with the most members. Type how a name begins to find others.`);
  if (create && text && !items.some((one) => one.name === name)) {
    if (ROOM.test(name)) hits.push(creation(app, text));
    else if (name.length > 1) notes.push(`No room can be called “${text}”: a name has 2 to 60 letters, digits, blanks, dots, dashes, pluses or underscores, a letter or digit first.`);
  }
  return { title: "Rooms", hits, note: notes.join(" ") };
}

/** @param {App} app @param {string} name @returns {Hit} */
function creation(app, name) {
  return {
    key: "create",
    portrait: crest({ id: 0, title: name }),
    title: `Create the room “${name}”`,
    said: ["Everybody can find it and join."],
    aside: "new",
    ask: () => post("/api/rooms", { name }),
    choose: (room) => room && app.visit(room),
  };
}

/** @param {App} app @param {string} text @param {AbortSignal} signal @param {number} limit @returns {Promise<Group>} */
export async function people(app, text, signal, limit = MANY) {
  /** @type {{items: Account[]}} */
  const { items } = await get("/api/people", { text: text.toLowerCase(), limit: limit + 2 }, signal);
  const others = items.filter((one) => one.id !== app.store.account.id);
  const hits = others
    .slice(0, limit)
    .map((one) => ({
      key: `p${one.id}`,
      portrait: flag({ id: one.id, name: one.display }),
      title: one.display,
      said: [`@${one.name}`],
      aside: one.imported ? "came with old messages" : "",
      ask: () => post("/api/direct", { name: one.name }),
      choose: (conversation) => conversation && app.visit(conversation),
    }));
  return { title: "People", hits, note: others.length > limit ? `${limit} people of more. Type how a name begins to find others.` : "" };
}

