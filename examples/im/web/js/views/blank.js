/** What stands where no conversation is open: a word, and rooms to begin with. A phone has no such
 * place, and shows the rooms below a list that is short. */

import { batched, el, find, reconcile } from "../dom.js";
import { get } from "../http.js";
import { counted } from "../text.js";
import { crest } from "./portrait.js";

/** @typedef {import("../types.js").Conversation} Conversation */

/** Rooms that are proposed. */
const FEW = 6;
/** Conversations up to which a list is short. */
const SHORT = 4;

export class Blank {
  /** @param {import("../app.js").App} app */
  constructor(app) {
    this.app = app;
    this.root = find(".blank");
    this.below = find(".beginning");
    /** @type {Conversation[]} */
    this.rooms = [];
    this.asked = false;
    const draw = batched(() => this.#draw());
    for (const topic of ["conversations", "open", "welcome"]) app.store.on(topic, draw);
    for (const place of [this.root, this.below]) {
      find("[data-action=rooms]", place).addEventListener("click", () => app.palette.show("rooms"));
      find("[data-action=people]", place).addEventListener("click", () => app.palette.show("people"));
    }
  }

  #draw() {
    const { store } = this.app;
    this.root.hidden = store.conversations.has(store.open) || !store.welcomed;
    this.below.hidden = this.root.hidden || store.listed().length > SHORT;
    if (this.root.hidden) return;
    find("h2", this.root).textContent = store.open ? "There is nothing at this address" : `Good ${partOfDay()}, ${store.account.display}`;
    find("p", this.root).textContent = store.open
      ? "The conversation does not exist, or you are not in it."
      : "Choose a conversation from the list, or look into a room. Nobody sees you reading there until you join.";
    this.#drawRooms();
    if (!this.asked) void this.#propose();
  }

  /** Rooms with many members that this user is not in; without any, nothing is proposed. */
  #drawRooms() {
    const others = this.rooms.filter((room) => !this.app.store.conversations.get(room.id)?.member).slice(0, FEW);
    for (const place of [this.root, this.below]) {
      reconcile(find(".proposed", place), others, (room) => String(room.id), (room) => `${room.title} ${room.members}`, (room) => this.#card(room));
    }
  }

  async #propose() {
    this.asked = true;
    try {
      /** @type {{items: Conversation[]}} */
      const { items } = await get("/api/rooms", { limit: 50 });
      this.rooms = items;
      this.#drawRooms();
    } catch {
      // A proposal is no matter to trouble anybody with; it comes with the next visit.
      this.asked = false;
    }
  }

  /** @param {Conversation} room */
  #card(room) {
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", click: () => this.app.visit(room) },
        crest(room),
        el("b", {}, room.title),
        el("small", {}, counted(room.members, "member")),
      ),
    );
  }
}

/** @returns {string} */
function partOfDay() {
  const hour = new Date().getHours();
  if (hour < 5 || hour >= 18) return "evening";
  return hour < 12 ? "morning" : "afternoon";
}
