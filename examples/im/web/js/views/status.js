/** How the connection is, told honestly; nothing while it is well. */

import { el, find } from "../dom.js";
import { counted } from "../text.js";

/** Milliseconds that a connection may take before it is worth a word. */
const PATIENCE = 700;

export class Status {
  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.root = find(".status");
    this.timer = 0;
    this.badSince = 0;
    app.connection.addEventListener("state", () => this.#draw());
    app.outbox.addEventListener("change", () => this.#draw());
  }

  #draw() {
    clearTimeout(this.timer);
    const { state } = this.app.connection;
    document.documentElement.dataset.connection = state.name;
    if (state.name === "connected" || state.name === "ended") {
      this.badSince = 0;
      this.root.hidden = true;
      return;
    }
    const now = Date.now();
    this.badSince ||= now;
    const early = now - this.badSince < PATIENCE;
    this.root.hidden = early;
    if (!early) {
      this.app.store.unsee();
      this.#write(state);
    }
    this.timer = window.setTimeout(() => this.#draw(), early ? PATIENCE : 500);
  }

  /** @param {import("../connection.js").State} state */
  #write(state) {
    const seconds = Math.max(0, Math.ceil((state.until - Date.now()) / 1000));
    const text = {
      offline: "You are offline.",
      connecting: "Connecting…",
      waiting: seconds ? `Connection lost. Trying again in ${seconds} s.` : "Connection lost. Trying again…",
      connected: "",
      ended: "",
    }[state.name];
    const { size } = this.app.outbox;
    const unsent = size ? ` ${counted(size, "message")} ${size === 1 ? "is" : "are"} not sent yet.` : "";
    const look = text + unsent;
    if (this.root.dataset.look === look && this.root.dataset.name === state.name) return;
    this.root.dataset.look = look;
    this.root.dataset.name = state.name;
    const focused = this.root.contains(document.activeElement);
    this.root.replaceChildren(el("span", {}, look));
    if (state.name !== "waiting") return;
    const button = el("button", { type: "button", class: "link", click: () => this.app.connection.now() }, "Try now");
    this.root.append(button);
    if (focused) button.focus();
  }
}
