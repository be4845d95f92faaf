/** What stands above the messages: whose conversation it is, and what can be done with it. */

import { batched, el, find, icon, notice } from "../dom.js";
import { post } from "../http.js";
import { visit } from "../place.js";
import { counted } from "../text.js";
import { lastSeen } from "../times.js";

export class Heading {
  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.root = find(".heading");
    const draw = batched(() => this.#draw());
    for (const topic of ["conversations", "presence", "open", "welcome"]) app.store.on(topic, draw);
    this.back = find(".back", this.root);
    this.waiting = el("span", { class: "unread", hidden: true });
    this.back.append(icon("back"), this.waiting);
    this.back.addEventListener("click", () => visit(0));
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
    if (!conversation) return;
    this.#drawBack(store.waiting(conversation.id));
    find("h1", this.root).textContent = conversation.title;
    find(".names p", this.root).replaceChildren(...this.#about(conversation));
    find("[data-action=members]", this.root).hidden = conversation.kind === "direct";
    find("[data-action=leave]", this.root).hidden = conversation.kind === "direct" || !conversation.member;
  }

  /** A phone does not show the list meanwhile. @param {number} waiting conversations that have something new */
  #drawBack(waiting) {
    this.waiting.hidden = !waiting;
    this.waiting.textContent = waiting > 99 ? "99+" : String(waiting);
    const also = waiting ? `, ${waiting} with new messages` : "";
    this.back.setAttribute("aria-label", `Back to the conversations${also}`);
  }

  /** @param {import("../types.js").Conversation} conversation @returns {(Node | string)[]} */
  #about(conversation) {
    if (!conversation.peer) return [conversation.members ? counted(conversation.members, "member") : "Room"];
    const presence = this.app.store.presence.get(conversation.peer.id);
    if (conversation.peer.imported) return [`@${conversation.peer.name} · came with old messages and cannot answer`];
    if (presence?.online) return [el("i", { class: "dot online" }), "here now"];
    return [presence ? lastSeen(presence.last_seen) : `@${conversation.peer.name}`];
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
