/** A signed-in page: puts what it knows, its connection and its views together. */

import { Attention } from "./attention.js";
import { Connection } from "./connection.js";
import { find, notice } from "./dom.js";
import { History } from "./history.js";
import { get, post } from "./http.js";
import { Outbox } from "./outbox.js";
import { place, visit } from "./place.js";
import { keep, keysOf } from "./storage.js";
import { Store } from "./store.js";
import { Blank } from "./views/blank.js";
import { Composer } from "./views/composer.js";
import { Heading } from "./views/heading.js";
import { Members } from "./views/members.js";
import { Messages } from "./views/messages.js";
import { Palette } from "./views/palette.js";
import { Sidebar } from "./views/sidebar.js";
import { Status } from "./views/status.js";

/** @typedef {import("./types.js").Account} Account */
/** @typedef {import("./types.js").Conversation} Conversation */
/** @typedef {import("./types.js").ServerFrame} ServerFrame */

export class App {
  /**
   * @param {Account} account
   * @param {(reason: string) => void} leave this user is signed out
   */
  constructor(account, leave) {
    this.leave = leave;
    this.store = new Store(account);
    const url = new URL("/ws", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    this.connection = new Connection({ url: url.href, cursor: () => this.store.cursor, admitted });
    const send = this.connection.send.bind(this.connection);
    this.outbox = new Outbox(account.id, send);
    this.history = new History(this.store);
    this.attention = new Attention(this.store, send);
    this.palette = new Palette(this);
    this.members = new Members(this);
    this.sidebar = new Sidebar(this);
    this.blank = new Blank(this);
    this.heading = new Heading(this);
    this.messages = new Messages(this);
    this.composer = new Composer(this);
    this.status = new Status(this);
    this.asked = new Set();
  }

  start() {
    find("#app").hidden = false;
    this.connection.addEventListener("frame", (event) => this.#take(/** @type {CustomEvent} */ (event).detail));
    this.connection.addEventListener("welcomed", () => this.#welcomed());
    this.connection.addEventListener("state", () => {
      if (this.connection.state.name === "ended") this.leave("You are signed out.");
    });
    this.outbox.addEventListener("change", (event) => this.store.tell("timeline", /** @type {CustomEvent} */ (event).detail));
    this.store.on("strange", (id) => void this.#strange(id));
    addEventListener("hashchange", () => void this.go());
    addEventListener("keydown", (event) => this.#key(event));
    addEventListener("beforeunload", () => this.composer.keepDraft());
    this.connection.start();
  }

  /** @param {ServerFrame} frame */
  #take(frame) {
    switch (frame.type) {
      case "acknowledged": {
        const unsent = this.outbox.done(frame.client_id);
        if (!unsent) return;
        const { account } = this.store;
        const { type: _, ...stored } = frame;
        this.store.said({ ...stored, sender: account.id, sender_name: account.display, text: unsent.text });
        return;
      }
      case "refused":
        if (frame.client_id) this.outbox.refused(frame);
        else notice(frame.message || frame.code);
        return;
      case "said":
        if (frame.message.sender === this.store.account.id) this.outbox.done(frame.message.client_id);
    }
    const first = frame.type === "welcome" && !this.store.welcomed;
    this.store.take(frame);
    if (frame.type === "welcome" && !frame.resumed) for (const id of this.store.timelines.keys()) this.history.complete(id);
    if (first) void this.go();
  }

  #welcomed() {
    this.outbox.resume();
  }

  /** A message came of a conversation that we do not know: ask for all. @param {number} id */
  async #strange(id) {
    if (this.asked.has(id)) return;
    this.asked.add(id);
    try {
      for (const conversation of (await get("/api/conversations")).items) this.store.know(conversation);
    } catch (error) {
      notice(error);
    } finally {
      this.asked.delete(id);
    }
  }

  /** Show what the address says. */
  async go() {
    const { conversation, number } = place();
    const { store } = this;
    if (store.open !== conversation) {
      this.composer.keepDraft();
      store.open = conversation;
      store.typing.clear();
    }
    find("#app").classList.toggle("talking", conversation > 0);
    store.tell("open", number);
  }

  /** Show a conversation, which may be new to this page. @param {Conversation} conversation @param {number} [number] */
  visit(conversation, number = 0) {
    const known = this.store.conversations.get(conversation.id);
    if (!known?.member || conversation.member) this.store.know(conversation);
    visit(conversation.id, number);
  }

  /** @param {string} path @param {object} [body] become a member, and go there */
  async enter(path, body) {
    try {
      const conversation = /** @type {Conversation} */ (await post(path, body));
      this.visit(conversation);
    } catch (error) {
      notice(error);
    }
  }

  async signOut() {
    try {
      await post("/api/sign-out");
      this.connection.stop();
      // What was begun here is not for the next one who sits down.
      const { id } = this.store.account;
      for (const key of [...keysOf(`draft.${id}.`), ...keysOf(`outbox.${id}.`)]) keep(key, "");
    } catch (error) {
      notice(error);
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      this.palette.show("all");
    } else if (event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.sidebar.step(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
      if (!this.members.hide()) this.messages.toNewest();
    }
  }
}

/** Whether we are signed in, as far as anybody can tell. @returns {Promise<boolean>} */
async function admitted() {
  try {
    return "account" in (await get("/api/me", {}, AbortSignal.timeout(5000)));
  } catch {
    return true;
  }
}
