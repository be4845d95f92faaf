/** The panel of who is in a room. */

import { batched, el, find, icon, notice, reconcile } from "../dom.js";
import { get } from "../http.js";
import { counted } from "../text.js";
import { flag } from "./portrait.js";

/** @typedef {import("../types.js").Account} Account */

const LIMIT = 100;

export class Members {
  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.root = find("aside.members");
    this.list = find("ul", this.root);
    this.rest = find(".rest", this.root);
    this.button = find("[data-action=members]");
    /** @type {Account[]} */
    this.items = [];
    this.of = 0;
    const close = find("header button", this.root);
    close.append(icon("close"));
    close.addEventListener("click", () => this.hide());
    const draw = batched(() => this.#draw());
    app.store.on("presence", draw);
    app.store.on("open", () => this.#opened());
    app.store.on("members", (id) => {
      if (id === this.of && !this.root.hidden) void this.#load();
    });
  }

  /** Open it, or close it. */
  turn() {
    if (this.hide()) return;
    this.root.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    void this.#load();
  }

  /** @returns {boolean} whether it was open */
  hide() {
    if (this.root.hidden) return false;
    this.root.hidden = true;
    this.button.setAttribute("aria-expanded", "false");
    this.items = [];
    this.app.attention.show("members", []);
    return true;
  }

  #opened() {
    const { store } = this.app;
    if (this.of === store.open) return;
    if (store.conversations.get(store.open)?.kind !== "room") this.hide();
    else if (!this.root.hidden) void this.#load();
    this.of = store.open;
  }

  async #load() {
    const { store } = this.app;
    const id = (this.of = store.open);
    try {
      const { items } = await get(`/api/conversations/${id}/members`, { limit: LIMIT });
      if (this.of !== id || this.root.hidden) return;
      this.items = items;
      this.app.attention.show("members", this.items.filter((one) => !one.imported).map((one) => one.id));
      this.#draw();
    } catch (error) {
      notice(error);
    }
  }

  #draw() {
    if (this.root.hidden) return;
    const { store } = this.app;
    const here = (/** @type {Account} */ one) => store.presence.get(one.id)?.online ?? false;
    const sorted = [...this.items].sort((one, other) => Number(here(other)) - Number(here(one)) || one.display.localeCompare(other.display));
    reconcile(
      this.list,
      sorted,
      (one) => String(one.id),
      (one) => `${one.display} ${here(one)}`,
      (one) => this.#row(one, here(one)),
    );
    const more = (store.conversations.get(this.of)?.members ?? 0) - this.items.length;
    this.rest.hidden = more <= 0;
    this.rest.textContent = `and ${counted(more, "other")}`;
  }

  /** @param {Account} one @param {boolean} here */
  #row(one, here) {
    const self = one.id === this.app.store.account.id;
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", disabled: self, title: self ? "This is you" : `Write to ${one.display}`, click: () => void this.#write(one) },
        flag({ id: one.id, name: one.display }, one.imported ? undefined : here),
        el("span", {}, el("b", {}, one.display), el("small", {}, self ? "you" : `@${one.name}`)),
        here && el("span", { class: "unseen" }, "here now"),
      ),
    );
  }

  /** @param {Account} one */
  async #write(one) {
    if (matchMedia("(max-width: 900px)").matches) this.hide();
    await this.app.enter("/api/direct", { name: one.name });
  }
}
