/**
 * What this page knows, and how the gateway's frames change it.
 *
 * Views listen to `conversations`, `timeline`, `presence`, `typing` and `open`, and draw what they
 * find here. Nothing here touches the page or the network.
 */

import { Timeline } from "./timeline.js";

/** @typedef {import("./types.js").Account} Account */
/** @typedef {import("./types.js").Conversation} Conversation */
/** @typedef {import("./types.js").Message} Message */
/** @typedef {import("./types.js").Presence} Presence */
/** @typedef {import("./types.js").ServerFrame} ServerFrame */

/** Receipts are told among up to so many members. */
const TELLING = 20;

/** Milliseconds for which somebody is said to write, unless told again. */
const WRITING = 5000;

export class Store extends EventTarget {
  /** @param {Account} account */
  constructor(account) {
    super();
    this.account = account;
    this.cursor = 0;
    this.welcomed = false;
    /** Characters of a message: the gateway says it. */
    this.textLimit = 4000;
    /** Id of the conversation that the screen shows; 0 for none. */
    this.open = 0;
    /** @type {Map<number, Conversation>} */
    this.conversations = new Map();
    /** @type {Map<number, Timeline>} */
    this.timelines = new Map();
    /** @type {Map<number, Presence>} */
    this.presence = new Map();
    /** Who writes in the open conversation: names by user, with their time. @type {Map<number, {name: string, until: number}>} */
    this.typing = new Map();
    /** What others told of how far they are, by conversation and user. @type {Map<number, Map<number, {delivered: number, read: number}>>} */
    this.receipts = new Map();
  }

  /** @param {string} topic @param {any} [detail] */
  tell(topic, detail) {
    this.dispatchEvent(new CustomEvent(topic, { detail }));
  }

  /** @param {string} topic @param {(detail: any) => void} run */
  on(topic, run) {
    this.addEventListener(topic, (event) => run(/** @type {CustomEvent} */ (event).detail));
  }

  /** The window on a conversation; made when asked for. @param {number} id @returns {Timeline} */
  timeline(id) {
    let timeline = this.timelines.get(id);
    if (!timeline) {
      timeline = new Timeline();
      timeline.newest = this.conversations.get(id)?.last?.number ?? 0;
      this.timelines.set(id, timeline);
    }
    return timeline;
  }

  /** Those of this user, that with the newest message first. @returns {Conversation[]} */
  listed() {
    return [...this.conversations.values()]
      .filter((conversation) => conversation.member)
      .sort((one, other) => (other.last?.seq ?? 0) - (one.last?.seq ?? 0) || one.title.localeCompare(other.title));
  }

  /** @param {Conversation} conversation @returns {number} messages that are not read */
  unread(conversation) {
    if (!conversation.member) return 0;
    return Math.max(0, (conversation.last?.number ?? 0) - conversation.read);
  }

  /** How many conversations have messages that are not read. @param {number} [except] one that does not count */
  waiting(except = 0) {
    return this.listed().filter((one) => one.id !== except && this.unread(one)).length;
  }

  /** @param {Conversation} conversation @returns {boolean} whether receipts are told in it */
  tells(conversation) {
    return conversation.member && conversation.members <= TELLING && conversation.members > 1;
  }

  /**
   * How far all others are with what this user said.
   *
   * @param {Conversation} conversation
   * @param {Message} message
   * @returns {"stored" | "delivered" | "read"}
   */
  fate(conversation, message) {
    if (!this.tells(conversation)) return "stored";
    const others = [...(this.receipts.get(conversation.id)?.values() ?? [])];
    let { others_delivered: delivered, others_read: read } = conversation;
    if (others.length >= conversation.members - 1) {
      delivered = Math.max(delivered, Math.min(...others.map((other) => other.delivered)));
      read = Math.max(read, Math.min(...others.map((other) => other.read)));
    }
    if (read >= message.number) return "read";
    return delivered >= message.number ? "delivered" : "stored";
  }

  /** Names of those who write now. @param {number} [now] @returns {string[]} */
  writers(now = Date.now()) {
    return [...this.typing.values()].filter((typing) => typing.until > now).map((typing) => typing.name);
  }

  /** Add a conversation, or what is new of it. @param {Conversation} conversation */
  know(conversation) {
    const known = this.conversations.get(conversation.id);
    if (known?.last && (!conversation.last || conversation.last.number < known.last.number)) {
      conversation = { ...conversation, last: known.last };
    }
    this.conversations.set(conversation.id, conversation);
    const timeline = this.timelines.get(conversation.id);
    if (timeline) {
      timeline.newest = Math.max(timeline.newest, conversation.last?.number ?? 0);
      if (timeline.follows && timeline.last < timeline.newest) this.tell("gap", conversation.id);
    }
    this.tell("conversations");
  }

  /** @param {number} id */
  forget(id) {
    const conversation = this.conversations.get(id);
    if (!conversation) return;
    this.conversations.set(id, { ...conversation, member: false });
    this.tell("conversations");
  }

  /**
   * Take a frame. What it needs done beyond this page, the events say: `strange` (a message of a
   * conversation that is not known), `gap` (messages are missing before the newest).
   *
   * @param {ServerFrame} frame
   */
  take(frame) {
    if ("seq" in frame && frame.type !== "acknowledged") this.cursor = Math.max(this.cursor, frame.seq);
    switch (frame.type) {
      case "welcome":
        this.#welcome(frame);
        break;
      case "said":
        this.cursor = Math.max(this.cursor, frame.message.seq);
        this.said(frame.message);
        break;
      case "marked":
        this.#marked(frame.receipt);
        break;
      case "here":
        for (const presence of frame.presences) this.presence.set(presence.user, presence);
        this.tell("presence");
        break;
      case "writing":
        if (frame.typing.user === this.account.id || frame.typing.conversation !== this.open) break;
        this.typing.set(frame.typing.user, { name: frame.typing.name, until: Date.now() + WRITING });
        this.tell("typing");
        break;
      case "joined":
      case "left":
        this.#membership(frame);
        break;
    }
  }

  /** Nobody tells any more who is there. */
  unsee() {
    if (!this.presence.size) return;
    this.presence.clear();
    this.tell("presence");
  }

  /** A message that is stored. @param {Message} message */
  said(message) {
    const conversation = this.conversations.get(message.conversation);
    if (!conversation) {
      this.tell("strange", message.conversation);
      return;
    }
    const mine = message.sender === this.account.id;
    const fresh = message.number > (conversation.last?.number ?? 0);
    this.conversations.set(conversation.id, {
      ...conversation,
      last: fresh ? message : conversation.last,
      read: mine ? Math.max(conversation.read, message.number) : conversation.read,
    });
    if (conversation.id === this.open && this.typing.delete(message.sender)) this.tell("typing");
    const gap = this.timelines.get(conversation.id)?.put(message) ?? false;
    this.tell("conversations");
    this.tell("said", { message, fresh });
    this.tell("timeline", conversation.id);
    if (gap) this.tell("gap", conversation.id);
  }

  /** How far this user has read. @param {number} id @param {number} number */
  read(id, number) {
    const conversation = this.conversations.get(id);
    if (!conversation || conversation.read >= number) return;
    this.conversations.set(id, { ...conversation, read: number });
    this.tell("conversations");
  }

  /** @param {import("./types.js").Welcome} frame */
  #welcome(frame) {
    const before = this.conversations;
    this.account = frame.account;
    this.textLimit = frame.text;
    this.welcomed = true;
    this.receipts.clear();
    // What is only looked at stays known; of what somebody was put out of, nothing is left.
    this.conversations = new Map([...before].filter(([, conversation]) => !conversation.member));
    for (const conversation of frame.conversations) this.know(conversation);
    if (!frame.resumed) this.cursor = frame.cursor;
    this.tell("conversations");
    this.tell("welcome", frame);
  }

  /** @param {import("./types.js").Receipt} receipt */
  #marked(receipt) {
    if (receipt.user === this.account.id) {
      this.read(receipt.conversation, receipt.read);
      return;
    }
    let receipts = this.receipts.get(receipt.conversation);
    if (!receipts) this.receipts.set(receipt.conversation, (receipts = new Map()));
    const known = receipts.get(receipt.user) ?? { delivered: 0, read: 0 };
    const read = Math.max(known.read, receipt.read);
    receipts.set(receipt.user, { delivered: Math.max(known.delivered, receipt.delivered, read), read });
    this.tell("timeline", receipt.conversation);
  }

  /** @param {import("./types.js").Joined | import("./types.js").Left} frame */
  #membership(frame) {
    const { conversation: id, user } = frame.membership;
    if (user === this.account.id) {
      if (frame.type === "left") this.forget(id);
      else if (frame.conversation) this.know(frame.conversation);
      else this.tell("strange", id);
    } else {
      const conversation = this.conversations.get(id);
      // A direct one has its two from the beginning, which is told again, late or not at all.
      if (conversation && conversation.kind !== "direct") {
        const members = Math.max(1, conversation.members + (frame.type === "joined" ? 1 : -1));
        this.conversations.set(id, { ...conversation, members });
        this.receipts.get(id)?.delete(user);
      }
      this.tell("conversations");
    }
    this.tell("members", id);
  }
}
