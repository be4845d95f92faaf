/** Where messages are written. Each conversation has its draft, which survives a reload. */

import { batched, find, icon, notice } from "../dom.js";
import { keep, recall } from "../storage.js";

/** Characters that are left, from which on they are counted. */
const WARN = 400;

export class Composer {
  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.form = find(".composer");
    this.text = find("textarea", this.form);
    this.count = find(".count", this.form);
    this.joining = find(".joining");
    this.writing = find(".writing");
    this.shown = 0;
    find(".send", this.form).append(icon("send"));
    this.form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#send();
    });
    this.text.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#key(event));
    this.text.addEventListener("input", () => this.#typed());
    find("button", this.joining).addEventListener("click", () => void app.enter(`/api/rooms/${app.store.open}/join`));
    find("[data-skip]").addEventListener("click", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.text.focus();
    });
    const draw = batched(() => this.#draw());
    for (const topic of ["open", "conversations", "welcome"]) app.store.on(topic, draw);
    const writers = batched(() => this.#drawWriters());
    for (const topic of ["typing", "open"]) app.store.on(topic, writers);
    this.timer = 0;
  }

  #draw() {
    const { store } = this.app;
    const conversation = store.conversations.get(store.open);
    const imported = conversation?.peer?.imported ?? false;
    this.writing.hidden = !conversation?.member;
    this.form.hidden = !conversation?.member || imported;
    this.joining.hidden = !conversation || conversation.member;
    if (!conversation) {
      this.shown = 0;
      return;
    }
    find("span", this.joining).textContent = `You are looking into ${conversation.title}.`;
    this.text.placeholder = `Write to ${conversation.title}`;
    if (this.shown === conversation.id) return;
    this.shown = conversation.id;
    this.text.value = recall(this.#key_of(conversation.id)) ?? "";
    this.#size();
    // On a phone the keyboard would hide what one came to read.
    if (matchMedia("(hover: hover)").matches && !document.querySelector("dialog[open]")) this.text.focus();
  }

  /** @param {number} conversation */
  #key_of(conversation) {
    return `draft.${this.app.store.account.id}.${conversation}`;
  }

  /** Keep what is written and not sent. */
  keepDraft() {
    if (this.shown) keep(this.#key_of(this.shown), this.text.value.trim() ? this.text.value : "");
  }

  #typed() {
    this.#size();
    this.keepDraft();
    if (this.text.value.trim()) this.app.attention.writes();
  }

  #size() {
    // Where the browser cannot fit a field to its text by itself (field-sizing), we do.
    if (!CSS.supports("field-sizing", "content")) {
      this.text.style.height = "auto";
      this.text.style.height = `${this.text.scrollHeight}px`;
    }
    const left = this.app.store.textLimit - length(this.text.value);
    this.count.hidden = left > WARN;
    this.count.textContent = String(left);
    this.count.classList.toggle("over", left < 0);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // While an input method composes, Enter chooses a word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#send();
  }

  #send() {
    const text = this.text.value.trim();
    if (!text || !this.shown) return;
    const { textLimit } = this.app.store;
    if (length(text) > textLimit) {
      notice(`A message has at most ${textLimit} characters.`);
      return;
    }
    this.text.value = "";
    this.#size();
    this.keepDraft();
    this.app.attention.wrote();
    this.app.outbox.say(this.shown, text);
    this.app.messages.toNewest();
    this.text.focus();
  }

  #drawWriters() {
    clearTimeout(this.timer);
    const names = this.app.store.writers();
    const who = names.length > 2 ? "Several people" : names.join(" and ");
    this.writing.textContent = names.length ? `${who} ${names.length > 1 ? "are" : "is"} writing…` : "";
    if (!names.length) return;
    this.timer = window.setTimeout(() => this.#drawWriters(), 1000);
  }
}

/** Characters as the server counts them. @param {string} text @returns {number} */
function length(text) {
  return [...text].length;
}
