/**
 * What this user said and the gateway has not acknowledged.
 *
 * Each message lies in the browser's storage, under its client id, from before it is sent until it is
 * stored; a reload or a crash of the page loses none. Of a conversation one is on its way at a time,
 * so that they are stored in the order in which they were written. One that is not acknowledged in
 * time, or whose connection was lost, is said again with the same client id: it is stored once.
 */

import { keep, keysOf, recall } from "./storage.js";

/** @typedef {import("./types.js").Unsent} Unsent */

const IN_TIME = 12_000;

export class Outbox extends EventTarget {
  /**
   * @param {number} user
   * @param {(frame: object) => boolean} send false without a connection
   */
  constructor(user, send) {
    super();
    this.prefix = `outbox.${user}.`;
    this.send = send;
    /** By conversation, in order. @type {Map<number, Unsent[]>} */
    this.waiting = new Map();
    /** The timers of what is on its way or is to be tried again, by conversation. @type {Map<number, number>} */
    this.underway = new Map();
    const kept = keysOf(this.prefix).map((key) => /** @type {Unsent} */ (JSON.parse(recall(key) ?? "null")));
    for (const unsent of kept.filter(Boolean).sort((one, other) => one.at - other.at)) this.#queue(unsent);
  }

  /** @param {number} conversation @returns {Unsent[]} */
  of(conversation) {
    return this.waiting.get(conversation) ?? [];
  }

  /** How many messages wait to be stored, without those that were refused. */
  get size() {
    let size = 0;
    for (const queue of this.waiting.values()) size += queue.filter((unsent) => unsent.state === "sending").length;
    return size;
  }

  /** Say something. @param {number} conversation @param {string} text */
  say(conversation, text) {
    const last = this.of(conversation).at(-1)?.at ?? 0;
    // Times order what is kept: two messages never have the same.
    const at = Math.max(Date.now(), last + 1);
    /** @type {Unsent} */
    const unsent = { client_id: identity(), conversation, text, at, state: "sending", reason: "" };
    this.#keep(unsent);
    this.#queue(unsent);
    this.#pump(conversation);
    this.#changed(conversation);
  }

  /** Send again what failed. @param {Unsent} unsent */
  retry(unsent) {
    Object.assign(unsent, { state: "sending", reason: "" });
    this.#keep(unsent);
    this.#pump(unsent.conversation);
    this.#changed(unsent.conversation);
  }

  /** Give a message up. @param {Unsent} unsent */
  discard(unsent) {
    this.done(unsent.client_id);
  }

  /** There is a connection: everything that was on its way is said again. */
  resume() {
    for (const timer of this.underway.values()) clearTimeout(timer);
    this.underway.clear();
    for (const conversation of this.waiting.keys()) this.#pump(conversation);
  }

  /**
   * It is stored, or given up.
   *
   * @param {string} clientId
   * @returns {Unsent | null} what it was; null when it is not ours, or was done before
   */
  done(clientId) {
    for (const [conversation, queue] of this.waiting) {
      const index = queue.findIndex((unsent) => unsent.client_id === clientId);
      if (index < 0) continue;
      const [unsent] = queue.splice(index, 1);
      keep(this.prefix + clientId, "");
      if (unsent.state === "sending" && this.#first(conversation, index)) this.#free(conversation);
      this.#pump(conversation);
      this.#changed(conversation);
      return unsent;
    }
    return null;
  }

  /** The gateway refused it: for now, or for good. @param {import("./types.js").Refused} refused */
  refused(refused) {
    for (const [conversation, queue] of this.waiting) {
      const unsent = queue.find((one) => one.client_id === refused.client_id);
      if (!unsent) continue;
      this.#free(conversation);
      if (refused.retry_after > 0) {
        this.#later(conversation, refused.retry_after * 1000);
      } else {
        Object.assign(unsent, { state: "failed", reason: refused.message || refused.code });
        this.#keep(unsent);
        this.#pump(conversation);
      }
      this.#changed(conversation);
      return;
    }
  }

  /** Whether all before an index have failed, so that it was the one on its way. @param {number} conversation @param {number} index */
  #first(conversation, index) {
    return this.of(conversation).slice(0, index).every((unsent) => unsent.state === "failed");
  }

  /** @param {number} conversation */
  #pump(conversation) {
    if (this.underway.has(conversation)) return;
    const next = this.of(conversation).find((unsent) => unsent.state === "sending");
    if (!next) return;
    const { client_id, text } = next;
    if (this.send({ type: "say", conversation, client_id, text })) this.#later(conversation, IN_TIME);
  }

  /** @param {number} conversation @param {number} milliseconds */
  #later(conversation, milliseconds) {
    this.#free(conversation);
    this.underway.set(
      conversation,
      window.setTimeout(() => {
        this.underway.delete(conversation);
        this.#pump(conversation);
      }, milliseconds),
    );
  }

  /** @param {number} conversation */
  #free(conversation) {
    clearTimeout(this.underway.get(conversation));
    this.underway.delete(conversation);
  }

  /** @param {Unsent} unsent */
  #queue(unsent) {
    const queue = this.waiting.get(unsent.conversation);
    if (queue) queue.push(unsent);
    else this.waiting.set(unsent.conversation, [unsent]);
  }

  /** @param {Unsent} unsent */
  #keep(unsent) {
    keep(this.prefix + unsent.client_id, JSON.stringify(unsent));
  }

  /** @param {number} conversation */
  #changed(conversation) {
    this.dispatchEvent(new CustomEvent("change", { detail: conversation }));
  }
}

/** A client id. `crypto.randomUUID` is only there on https and localhost. @returns {string} */
function identity() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
