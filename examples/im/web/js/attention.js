/** Tells the gateway what this screen shows and how far this user is; gathered, so that a scroll or a
 * flood of messages is a frame now and then. What the screen shows is told as soon as all views have
 * said theirs, unless it was told a moment ago: who writes in a conversation is seen from then on. */

/** @typedef {import("./store.js").Store} Store */

const GATHER = 250;
const WRITING_EVERY = 3000;
const LOOK_LIMIT = 200;

export class Attention {
  /**
   * @param {Store} store
   * @param {(frame: object) => boolean} send
   */
  constructor(store, send) {
    this.store = store;
    this.send = send;
    /** @type {Map<number, {delivered: number, read: number}>} */
    this.marks = new Map();
    this.marking = 0;
    this.looking = 0;
    this.looked = "";
    this.lookedAt = -GATHER;
    this.wroteAt = 0;
    /** Users whom a view shows, by the view. @type {Map<string, number[]>} */
    this.shown = new Map();
    store.on("said", ({ message }) => this.#arrived(message));
    store.on("welcome", () => this.#again());
  }

  /** @param {import("./types.js").Message} message */
  #arrived(message) {
    const conversation = this.store.conversations.get(message.conversation);
    if (!conversation || message.sender === this.store.account.id || !this.store.tells(conversation)) return;
    this.#mark(message.conversation, { delivered: message.number, read: 0 });
  }

  /** A message was on the screen of somebody who looked. @param {number} id @param {number} number */
  read(id, number) {
    const conversation = this.store.conversations.get(id);
    if (!conversation?.member || conversation.read >= number) return;
    this.store.read(id, number);
    this.#mark(id, { delivered: number, read: number });
  }

  /** @param {number} id @param {{delivered: number, read: number}} mark */
  #mark(id, mark) {
    const known = this.marks.get(id) ?? { delivered: 0, read: 0 };
    this.marks.set(id, { delivered: Math.max(known.delivered, mark.delivered), read: Math.max(known.read, mark.read) });
    this.marking ||= window.setTimeout(() => this.#flush(), GATHER);
  }

  #flush() {
    this.marking = 0;
    for (const [conversation, mark] of this.marks) {
      if (this.send({ type: "seen", conversation, ...mark })) this.marks.delete(conversation);
    }
  }

  /** A view shows these users. @param {string} view @param {number[]} users */
  show(view, users) {
    this.shown.set(view, users);
    this.#lookSoon();
  }

  #lookSoon() {
    const wait = Math.max(0, this.lookedAt + GATHER - performance.now());
    this.looking ||= window.setTimeout(() => this.#look(), wait);
  }

  #look() {
    this.looking = 0;
    const users = [...new Set([...this.shown.values()].flat())].slice(0, LOOK_LIMIT);
    const frame = { type: "look", conversation: this.store.open, users };
    const look = JSON.stringify(frame);
    if (look === this.looked || !this.send(frame)) return;
    this.looked = look;
    this.lookedAt = performance.now();
  }

  /** The user presses keys in the open conversation. */
  writes() {
    const now = Date.now();
    if (now - this.wroteAt < WRITING_EVERY) return;
    if (this.send({ type: "writes", conversation: this.store.open })) this.wroteAt = now;
  }

  /** What was written is sent: the next key is told at once. */
  wrote() {
    this.wroteAt = 0;
  }

  /** A new connection knows nothing of all this; and what came while there was none has arrived now. */
  #again() {
    this.looked = "";
    for (const conversation of this.store.conversations.values()) {
      const { id, last, delivered } = conversation;
      if (last && last.number > delivered && last.sender !== this.store.account.id && this.store.tells(conversation)) {
        this.#mark(id, { delivered: last.number, read: 0 });
      }
    }
    this.marking ||= window.setTimeout(() => this.#flush(), GATHER);
    this.#lookSoon();
  }
}
