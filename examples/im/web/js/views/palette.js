/** One place to go anywhere from: conversations, messages, rooms to join, people to write to. */

import { el, find, icon, sentence } from "../dom.js";
import { joined, MANY, messages, people, rooms } from "./finders.js";

/** @typedef {import("./finders.js").Group} Group */
/** @typedef {import("./finders.js").Hit} Hit */

/** Milliseconds after a key before the server is asked. */
const PAUSE = 160;

const LABELS = {
  all: "Search messages, or jump to a room or a person",
  messages: "Words to find in messages",
  rooms: "Name of a room, to join or to create",
  people: "Name of a person to write to",
};

export class Palette {
  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.dialog = find("#palette");
    this.input = find("input[role=combobox]", this.dialog);
    this.list = find(".found", this.dialog);
    this.here = find(".here", this.dialog);
    this.problem = find(".problem", this.dialog);
    this.scope = "all";
    this.conversation = 0;
    /** @type {Hit[]} */
    this.hits = [];
    this.chosen = 0;
    /** Whether `hits` are those of what is written now. */
    this.current = false;
    /** Whether the server is asked for what was chosen. */
    this.taking = false;
    this.timer = 0;
    this.asking = new AbortController();
    find(".field", this.dialog).prepend(icon("search"));
    const close = find(".field button", this.dialog);
    close.append(icon("close"));
    close.addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("click", (/** @type {Event} */ event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.asking.abort());
    this.input.addEventListener("input", () => this.#later());
    this.dialog.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#key(event));
    find("input", this.here).addEventListener("change", () => void this.#ask());
    for (const button of this.#scopes()) button.addEventListener("click", () => this.#turn(button.dataset.scope ?? "all"));
  }

  /** @returns {HTMLElement[]} */
  #scopes() {
    return [...this.dialog.querySelectorAll("[data-scope]")];
  }

  /**
   * Open it.
   *
   * @param {string} scope
   * @param {number} [conversation] search in this one only
   */
  show(scope, conversation = 0) {
    const { store } = this.app;
    const near = conversation || store.open;
    this.conversation = near;
    this.here.hidden = !near;
    find("input", this.here).checked = conversation > 0;
    find("span", this.here).textContent = `only in ${store.conversations.get(near)?.title ?? ""}`;
    if (!this.dialog.open) this.dialog.showModal();
    this.input.select();
    this.#turn(scope);
  }

  /** @param {string} scope */
  #turn(scope) {
    this.scope = scope;
    this.current = false;
    for (const button of this.#scopes()) button.setAttribute("aria-pressed", String(button.dataset.scope === scope));
    this.input.placeholder = LABELS[/** @type {keyof typeof LABELS} */ (scope)];
    this.here.hidden = !this.conversation || scope !== "messages";
    this.input.focus();
    void this.#ask();
  }

  #later() {
    clearTimeout(this.timer);
    this.current = false;
    this.#tell("");
    if (this.scope === "all") this.#near();
    this.timer = window.setTimeout(() => void this.#ask(), PAUSE);
  }

  /** Show at once what this page knows itself. */
  #near() {
    const text = this.input.value.trim();
    this.#draw([joined(this.app, text)], text !== "");
    this.current = this.hits.length > 0;
  }

  async #ask() {
    clearTimeout(this.timer);
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    const text = this.input.value.trim();
    this.#tell("");
    try {
      if (this.scope === "all") this.#near();
      const groups = await this.#groups(text, signal);
      if (signal.aborted) return;
      this.#draw(groups, false);
      this.current = true;
    } catch (error) {
      if (!signal.aborted) this.#tell(error);
    }
  }

  /** @param {string} text @param {AbortSignal} signal @returns {Promise<Group[]>} */
  async #groups(text, signal) {
    const { app } = this;
    const only = find("input", this.here).checked ? this.conversation : 0;
    switch (this.scope) {
      case "messages":
        return text ? [await messages(app, text, only, signal)] : [];
      case "rooms":
        return [await rooms(app, text, signal, MANY, true)];
      case "people":
        return [await people(app, text, signal)];
      default: {
        if (!text) return [joined(app, "", 12)];
        const mine = joined(app, text);
        const known = new Set(mine.hits.map((hit) => hit.key));
        const [listed, persons, said] = await Promise.all([rooms(app, text, signal, 4), people(app, text, signal, 4), messages(app, text, 0, signal, 20)]);
        return [mine, { ...listed, hits: listed.hits.filter((hit) => !known.has(hit.key)) }, persons, said];
      }
    }
  }

  /** Say here what went wrong: the page lies behind. @param {unknown} problem */
  #tell(problem) {
    this.problem.textContent = problem ? sentence(problem) : "";
    this.problem.hidden = !problem;
  }

  /** @param {Group[]} groups @param {boolean} more whether the server is still being asked */
  #draw(groups, more) {
    const before = this.hits[this.chosen]?.key;
    this.hits = groups.flatMap((group) => group.hits);
    const kept = this.hits.findIndex((hit) => hit.key === before);
    this.chosen = kept > 0 && this.input.value ? kept : 0;
    let index = 0;
    const nodes = groups
      .filter((group) => group.hits.length)
      .map((group) => el("section", { role: "group", "aria-label": group.title }, el("h3", { "aria-hidden": "true" }, group.title), ...group.hits.map((hit) => this.#row(hit, index++))));
    this.list.replaceChildren(...nodes);
    const notes = this.scope === "all" ? [] : groups.flatMap((group) => (group.note ? [group.note] : []));
    for (const note of notes) this.list.append(el("p", { class: "note" }, note));
    if (!this.hits.length && !more && !notes.length) this.list.append(el("p", { class: "nothing" }, this.#nothing()));
    this.list.scrollTop = 0;
    this.#choose(this.chosen);
  }

  #nothing() {
    if (!this.input.value.trim()) return this.scope === "messages" ? "Type some words; the newest messages with all of them come first." : "Nobody and nothing here yet.";
    return `Nothing found for “${this.input.value.trim()}”.`;
  }

  /** @param {Hit} hit @param {number} index */
  #row(hit, index) {
    return el(
      "div",
      { role: "option", id: `hit-${index}`, "aria-selected": "false", click: () => void this.#take(index), mousemove: () => index !== this.chosen && this.#choose(index) },
      hit.portrait,
      el("span", { class: "title" }, hit.title),
      el("span", { class: "aside" }, hit.aside),
      el("span", { class: "said" }, ...hit.said),
    );
  }

  /** @param {number} index */
  #choose(index) {
    this.list.querySelector("[aria-selected=true]")?.setAttribute("aria-selected", "false");
    this.chosen = index;
    const row = this.list.querySelector(`#hit-${index}`);
    row?.setAttribute("aria-selected", "true");
    row?.scrollIntoView({ block: "nearest" });
    if (row) this.input.setAttribute("aria-activedescendant", row.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  /** Go to a hit. What the server refuses is told here, and what was typed stays. @param {number} index */
  async #take(index) {
    const hit = this.hits[index];
    if (!hit || this.taking) return;
    this.taking = true;
    try {
      const given = await hit.ask?.();
      this.input.value = this.scope === "messages" ? this.input.value : "";
      this.dialog.close();
      hit.choose(given);
    } catch (error) {
      this.#tell(error);
    } finally {
      this.taking = false;
    }
  }

  /** Take the chosen hit; who types faster than the server answers gets what they typed. */
  async #enter() {
    if (!this.current) await this.#ask();
    if (this.current) await this.#take(this.chosen);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target !== this.input) return;
    const last = this.hits.length - 1;
    if (event.key === "ArrowDown") this.#choose(this.chosen >= last ? 0 : this.chosen + 1);
    else if (event.key === "ArrowUp") this.#choose(this.chosen <= 0 ? Math.max(0, last) : this.chosen - 1);
    else if (event.key === "Enter" && !event.isComposing) void this.#enter();
    else return;
    event.preventDefault();
  }
}
