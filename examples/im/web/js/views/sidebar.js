/** The list of conversations, and what belongs to the user: theme, signing out. */

import { batched, el, find, icon, reconcile } from "../dom.js";
import { visit } from "../place.js";
import { keep, recall } from "../storage.js";
import { counted } from "../text.js";
import { brief, dayOf } from "../times.js";
import { crest, flag } from "./portrait.js";

/** @typedef {import("../types.js").Conversation} Conversation */

const THEMES = ["auto", "light", "dark"];

export class Sidebar {
  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.root = find(".sidebar");
    this.list = find(".conversations", this.root);
    this.filter = "all";
    const draw = batched(() => this.#draw());
    for (const topic of ["conversations", "presence", "open", "welcome"]) app.store.on(topic, draw);
    this.list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#key(event));
    for (const button of this.root.querySelectorAll("[data-filter]")) {
      button.addEventListener("click", () => this.#choose(/** @type {HTMLElement} */ (button).dataset.filter ?? "all"));
    }
    this.#buttons();
  }

  #buttons() {
    const { app } = this;
    find("#find").prepend(icon("search"));
    find("#find").addEventListener("click", () => app.palette.show("all"));
    find("#add").append(icon("plus"));
    find("#add").addEventListener("click", () => app.palette.show("rooms"));
    find("#sign-out").append(icon("leave"));
    find("#sign-out").addEventListener("click", () => void app.signOut());
    find("#theme").append(icon("theme"));
    find("#theme").addEventListener("click", () => this.#theme(1));
    this.#theme(0);
    find(".self", this.root).append(flag({ id: app.store.account.id, name: app.store.account.display }), el("b", {}, app.store.account.display));
  }

  /** @param {number} step to the next theme, or none */
  #theme(step) {
    const now = recall("theme") ?? "auto";
    const theme = THEMES[(THEMES.indexOf(now) + step) % THEMES.length];
    keep("theme", theme === "auto" ? "" : theme);
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    const label = `Theme: ${theme === "auto" ? "as the system" : theme}`;
    find("#theme").setAttribute("aria-label", label);
    find("#theme").title = label;
  }

  /** @param {string} filter */
  #choose(filter) {
    this.filter = filter;
    for (const button of this.root.querySelectorAll("[data-filter]")) {
      button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.filter === filter));
    }
    this.#draw();
  }

  /** @returns {Conversation[]} */
  #shown() {
    const { store } = this.app;
    return store.listed().filter((conversation) => {
      if (this.filter === "unread") return store.unread(conversation) > 0 || conversation.id === store.open;
      return this.filter === "all" || conversation.kind === this.filter;
    });
  }

  #draw() {
    const { store, attention } = this.app;
    const shown = this.#shown();
    // A list of hundreds is one stop of the tab key: the open row, or the first.
    const stop = shown.some((conversation) => conversation.id === store.open) ? store.open : (shown[0]?.id ?? 0);
    reconcile(
      this.list,
      shown,
      (conversation) => String(conversation.id),
      (conversation) => this.#look(conversation, stop),
      (conversation) => this.#row(conversation, stop),
    );
    this.list.classList.toggle("none", !shown.length && store.welcomed);
    this.list.dataset.none = this.filter === "unread" ? "Everything is read." : "Nothing here yet.";
    attention.show("sidebar", shown.flatMap((conversation) => (conversation.peer ? [conversation.peer.id] : [])).slice(0, 150));
    const unread = store.waiting();
    const open = store.conversations.get(store.open);
    document.title = `${unread ? `(${unread}) ` : ""}${open ? `${open.title} · ` : ""}Halyard`;
  }

  /** @param {Conversation} conversation @param {number} stop */
  #look(conversation, stop) {
    const { store } = this.app;
    const { id, last, title, peer } = conversation;
    const online = peer ? store.presence.get(peer.id)?.online : false;
    return [last?.seq, title, online, store.unread(conversation), id === store.open, id === stop, dayOf(Date.now())].join();
  }

  /** @param {Conversation} conversation @param {number} stop */
  #row(conversation, stop) {
    const { store } = this.app;
    const { id, last, title, peer } = conversation;
    const unread = store.unread(conversation);
    const current = id === store.open;
    const portrait = peer
      ? flag({ id: peer.id, name: peer.display }, store.presence.get(peer.id)?.online ?? false)
      : crest(conversation);
    const mine = last?.sender === store.account.id;
    const said = last ? `${mine ? "You: " : peer ? "" : `${last.sender_name}: `}${last.text.slice(0, 120)}` : "Nothing said yet";
    const row = el(
      "a",
      { href: `#/${id}`, "data-conversation": id, tabindex: id === stop ? 0 : -1 },
      portrait,
      el("span", { class: "title" }, title),
      el("time", {}, last ? brief(last.at) : ""),
      el("span", { class: "said" }, said),
      unread > 0 &&
        el("span", { class: "unread" }, unread > 99 ? "99+" : String(unread), el("span", { class: "unseen" }, ` ${counted(unread, "new message").split(" ").slice(1).join(" ")}`)),
    );
    if (current) row.setAttribute("aria-current", "page");
    if (unread) row.classList.add("fresh");
    return el("li", {}, row);
  }

  /** Open the next conversation of the list, or the one before. @param {number} by */
  step(by) {
    const shown = this.#shown();
    const index = shown.findIndex((conversation) => conversation.id === this.app.store.open);
    const next = shown[Math.min(shown.length - 1, Math.max(0, index + by))];
    if (next) visit(next.id);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const rows = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll("a")]);
    const index = rows.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const targets = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: rows.length - 1 };
    if (!(event.key in targets) || event.altKey) return;
    event.preventDefault();
    const target = targets[/** @type {keyof typeof targets} */ (event.key)];
    rows[Math.min(rows.length - 1, Math.max(0, target))]?.focus();
  }
}
