/**
 * The messages of the open conversation: what is drawn, and where the reader is in it.
 *
 * The reader's place is kept by hand: before a change the first message on the screen is the anchor,
 * after it the anchor is where it was, whatever came above. Who is at the end stays at the end.
 */

import { announce, batched, find, icon, reconcile } from "../dom.js";
import { place } from "../place.js";
import { counted } from "../text.js";
import { itemsOf, keyOf, lookOf, make } from "./rows.js";

/** @typedef {import("../types.js").Message} Message */

/** Pixels from an end within which one is at it. */
const AT_END = 40;
/** Pixels from an end at which the next page is loaded. */
const NEAR = 900;
/** Unread messages up to which a conversation opens at the first of them. */
const FEW = 150;

export class Messages {
  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.stage = find(".stage");
    this.scroller = find(".scroller");
    this.list = find(".messages", this.scroller);
    this.pill = find(".pill.newest");
    this.firstUnread = find(".pill.first-unread");
    this.shown = 0;
    this.atEnd = true;
    /** Number of the first message that is new since this conversation was opened; 0 for none. */
    this.newFrom = 0;
    /** While a conversation opens, nothing is read yet, and no further page is wanted. */
    this.opening = false;
    /** Number of a message that is pointed at. */
    this.target = 0;
    this.draw = batched(() => this.#draw());
    app.store.on("open", (number) => void this.#open(number));
    app.store.on("timeline", (id) => id === this.shown && this.draw());
    app.store.on("conversations", this.draw);
    app.store.on("welcome", () => this.#welcome());
    app.store.on("behind", () => (this.atEnd ? this.toNewest() : this.draw()));
    app.store.on("said", ({ message, fresh }) => this.#said(message, fresh));
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.pill.addEventListener("click", () => this.toNewest());
    this.firstUnread.addEventListener("click", () => void this.#point(this.newFrom));
    for (const event of ["focus", "visibilitychange"]) addEventListener(event, () => this.#read());
    new ResizeObserver(() => this.atEnd && this.#toEnd()).observe(this.scroller);
  }

  /** Show the conversation that the store says is open. @param {number} number a message to point at; 0 for none */
  async #open(number) {
    const { store, history } = this.app;
    const id = store.open;
    const conversation = store.conversations.get(id);
    const anew = id !== this.shown;
    this.shown = id;
    this.target = 0;
    this.opening = anew;
    if (anew) {
      this.atEnd = true;
      this.newFrom = conversation && store.unread(conversation) ? conversation.read + 1 : 0;
      this.list.replaceChildren();
    }
    this.stage.hidden = !id;
    if (!id || !conversation) {
      this.stage.hidden = true;
      return;
    }
    if (number) {
      await this.#point(number);
      return;
    }
    const timeline = store.timeline(id);
    const unread = store.unread(conversation);
    if (!timeline.loaded || (anew && !timeline.follows)) await history.newest(id, unread <= FEW ? unread : 0);
    if (this.shown !== id) return;
    this.#draw();
    if (anew) this.#settle(unread);
  }

  /** What could not be loaded before can be now. */
  #welcome() {
    if (!this.shown || this.app.store.timeline(this.shown).loaded) return;
    this.shown = 0;
    void this.#open(place().number);
  }

  /** Where one begins to read. @param {number} unread */
  #settle(unread) {
    const line = this.list.querySelector("[data-key=new]");
    if (unread && unread <= FEW && line) {
      this.scroller.scrollTop += line.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top - 80;
    } else {
      this.#toEnd();
    }
    this.opening = false;
    this.#scrolled();
  }

  /** Show a message in its surroundings. @param {number} number */
  async #point(number) {
    const { store, history } = this.app;
    const id = this.shown;
    const timeline = store.timeline(id);
    this.atEnd = false;
    if (!timeline.has(number)) await history.around(id, number);
    if (this.shown !== id) return;
    this.target = number;
    this.#draw();
    const row = this.list.querySelector(`[data-number="${number}"]`);
    row?.scrollIntoView({ block: "center" });
    this.scroller.focus({ preventScroll: true });
    this.opening = false;
    this.#scrolled();
  }

  /** Go to the newest message. */
  toNewest() {
    const { store, history } = this.app;
    const id = this.shown;
    if (!id) return;
    this.target = 0;
    this.atEnd = true;
    if (/\/\d+\/\d+$/u.test(location.hash)) unpoint(id);
    if (store.timeline(id).follows) {
      this.#draw();
      this.#toEnd();
      this.#read();
    } else {
      void history.newest(id).then(() => this.shown === id && this.toNewest());
    }
  }

  /** @param {Message} message @param {boolean} fresh */
  #said(message, fresh) {
    const mine = message.sender === this.app.store.account.id;
    if (message.conversation !== this.shown || !fresh) return;
    if (mine) {
      // Who answers has seen what was new.
      this.newFrom = 0;
      return;
    }
    announce(`${message.sender_name}: ${message.text}`);
    const read = this.app.store.conversations.get(this.shown)?.read ?? 0;
    if ((!looking() || !this.atEnd) && (!this.newFrom || this.newFrom <= read)) this.newFrom = message.number;
  }

  #draw() {
    const { store, outbox } = this.app;
    const conversation = store.conversations.get(this.shown);
    if (!conversation) return;
    const timeline = store.timeline(this.shown);
    this.stage.hidden = false;
    this.stage.classList.toggle("loading", !timeline.loaded);
    const anchor = this.atEnd ? null : this.#anchor();
    const items = itemsOf({ store, conversation, timeline, unsent: timeline.follows ? outbox.of(this.shown) : [], newFrom: this.newFrom, target: this.target });
    reconcile(this.list, items, keyOf, lookOf, (item) => make(item, this.app));
    if (this.atEnd) this.#toEnd();
    else if (anchor) this.#restore(anchor);
    this.#drawPills();
    this.#fill();
    this.#read();
  }

  /** The first message that is wholly on the screen, and where. @returns {{key: string, top: number} | null} */
  #anchor() {
    const edge = this.scroller.getBoundingClientRect().top;
    for (const row of /** @type {Iterable<HTMLElement>} */ (this.list.children)) {
      if (!row.dataset.number) continue;
      const { top } = row.getBoundingClientRect();
      if (top >= edge) return { key: row.dataset.key ?? "", top };
    }
    return null;
  }

  /** @param {{key: string, top: number}} anchor */
  #restore({ key, top }) {
    const row = this.list.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!row) return;
    const moved = row.getBoundingClientRect().top - top;
    if (moved) this.scroller.scrollTop += moved;
  }

  #toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const timeline = this.app.store.timeline(this.shown);
    if (this.opening) return;
    this.atEnd = timeline.follows && scrollHeight - scrollTop - clientHeight < AT_END;
    this.#drawPills();
    this.#fill();
    this.#read();
  }

  /** Load what is about to be seen. */
  #fill() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    if (this.opening || !clientHeight) return;
    if (scrollTop < NEAR) void this.app.history.older(this.shown);
    else if (scrollHeight - scrollTop - clientHeight < NEAR) void this.app.history.newer(this.shown);
  }

  #drawPills() {
    const { store } = this.app;
    const conversation = store.conversations.get(this.shown);
    if (!conversation) return;
    const timeline = store.timeline(this.shown);
    const unread = store.unread(conversation);
    this.#pill(this.pill, !this.atEnd && timeline.loaded, "down", unread ? counted(unread, "new message") : "Newest");
    const away = Boolean(this.newFrom && timeline.loaded && this.newFrom < timeline.first);
    const since = Math.max(0, timeline.newest - this.newFrom + 1);
    this.#pill(this.firstUnread, away, "up", `${counted(since, "new message")} above`);
  }

  /** @param {HTMLElement} pill @param {boolean} visible @param {string} picture @param {string} text */
  #pill(pill, visible, picture, text) {
    pill.hidden = !visible;
    if (!visible || pill.dataset.text === text) return;
    pill.dataset.text = text;
    pill.replaceChildren(icon(picture), text);
  }

  /** Everything up to the last message on the screen is read, if somebody looks. */
  #read() {
    const conversation = this.app.store.conversations.get(this.shown);
    if (!conversation || this.opening || !looking() || !this.scroller.clientHeight) return;
    const last = conversation.last?.number ?? 0;
    if (this.app.store.unread(conversation) === 0) return;
    if (this.atEnd) {
      this.app.attention.read(this.shown, last);
      return;
    }
    const edge = this.scroller.getBoundingClientRect().bottom;
    const rows = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll("[data-number]")]);
    const seen = rows.findLast((row) => row.getBoundingClientRect().bottom <= edge + 4);
    if (seen) this.app.attention.read(this.shown, Number(seen.dataset.number));
  }
}

/** Whether somebody can see this page. */
function looking() {
  return document.visibilityState === "visible" && document.hasFocus();
}

/** The address of the conversation instead of that of one message. @param {number} id */
function unpoint(id) {
  window.history.replaceState(null, "", `#/${id}`);
}

