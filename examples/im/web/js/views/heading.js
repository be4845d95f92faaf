/** What stands above the messages: whose conversation it is, and what can be done with it. */

import { batched, el, find, icon } from "../dom.js";
import { notice } from "../dom.js";
import { post } from "../http.js";
import { visit } from "../place.js";
import { counted } from "../text.js";
import { lastSeen } from "../times.js";

export class Heading {
  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.root = find(".heading");
    this.blank = find(".blank");
    const draw = batched(() => this.#draw());
    for (const topic of ["conversations", "presence", "open", "welcome"]) app.store.on(topic, draw);
    find(".back", this.root).append(icon("back"));
    find(".back", this.root).addEventListener("click", () => visit(0));
    this.#button("search", "search", () => app.palette.show("messages", app.store.open));
    this.#button("members", "people", () => app.members.turn());
    this.#button("leave", "leave", () => void this.#leave());
  }

  /** @param {string} action @param {string} picture @param {() => void} run */
  #button(action, picture, run) {
    const button = find(`[data-action=${action}]`, this.root);
    button.append(icon(picture));
    button.addEventListener("click", run);
  }

  #draw() {
    const { store } = this.app;
    const conversation = store.conversations.get(store.open);
    this.root.hidden = !conversation;
    this.blank.hidden = Boolean(conversation) || !store.welcomed;
    if (!conversation) {
      this.#drawBlank();
      return;
    }
    find("h1", this.root).textContent = conversation.title;
    find(".names p", this.root).replaceChildren(...this.#about(conversation));
    find("[data-action=members]", this.root).hidden = conversation.kind === "direct";
    find("[data-action=leave]", this.root).hidden = conversation.kind === "direct" || !conversation.member;
  }

  /** @param {import("../types.js").Conversation} conversation @returns {(Node | string)[]} */
  #about(conversation) {
    if (!conversation.peer) return [counted(conversation.members, "member")];
    const presence = this.app.store.presence.get(conversation.peer.id);
    if (conversation.peer.imported) return [`@${conversation.peer.name} · came with old messages and cannot answer`];
    if (presence?.online) return [el("i", { class: "dot online" }), "here now"];
    return [presence ? lastSeen(presence.last_seen) : `@${conversation.peer.name}`];
  }

  #drawBlank() {
    const { store, palette } = this.app;
    const lost = store.open > 0;
    const rooms = store.listed().length;
    const title = lost ? "There is nothing at this address" : rooms ? "Pick a conversation" : "It is quiet here";
    const text = lost
      ? "The conversation does not exist, or you are not in it."
      : rooms
        ? "Choose one from the list, or press Ctrl K and type where you want to go."
        : "Join a room and listen, or begin a conversation with somebody.";
    find("h2", this.blank).textContent = title;
    find("p", this.blank).textContent = text;
    find(".actions", this.blank).replaceChildren(
      el("button", { type: "button", class: "primary", click: () => palette.show("rooms") }, "Browse rooms"),
      el("button", { type: "button", click: () => palette.show("people") }, "Find people"),
    );
  }

  async #leave() {
    const { store } = this.app;
    const conversation = store.conversations.get(store.open);
    if (!conversation || !(await asked(`Leave ${conversation.title}? What was said in it stays, and you can join again.`))) return;
    try {
      await post(`/api/rooms/${conversation.id}/leave`);
      store.forget(conversation.id);
      visit(0);
    } catch (error) {
      notice(error);
    }
  }
}

/** @param {string} text @returns {Promise<boolean>} */
function asked(text) {
  const dialog = find("#question");
  find("p", dialog).textContent = text;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
