/** Loads pages of messages into the windows of the store. One page of a conversation at a time. */

import { get } from "./http.js";
import { notice } from "./dom.js";

/** @typedef {import("./store.js").Store} Store */

const PAGE = 50;
const PAGE_LIMIT = 200;

/** Milliseconds after which a gap is no longer a matter of two frames in the other order. */
const PATIENCE = 1000;

/** Milliseconds after a failure before a page is asked for again by scrolling alone. */
const REST = 3000;

export class History {
  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    /** @type {Map<number, Promise<void>>} */
    this.loading = new Map();
    this.failedAt = -Infinity;
    store.on("gap", (id) => setTimeout(() => this.complete(id), PATIENCE));
  }

  /** @param {number} id @param {Record<string, number>} where @returns {Promise<import("./types.js").Message[]>} */
  async #page(id, where) {
    return (await get(`/api/conversations/${id}/messages`, { limit: PAGE, ...where })).items;
  }

  /**
   * Run one load of a conversation; while one runs, others are not needed, or come again.
   *
   * @param {number} id
   * @param {() => Promise<void>} load
   * @returns {Promise<void>}
   */
  #once(id, load) {
    const running = this.loading.get(id);
    if (running) return running;
    const started = load()
      .catch((error) => {
        this.failedAt = performance.now();
        notice(error);
      })
      .finally(() => {
        this.loading.delete(id);
        this.store.tell("timeline", id);
      });
    this.loading.set(id, started);
    return started;
  }

  /** @param {number} id @param {() => Promise<void>} load whatever runs: this one after it */
  async #after(id, load) {
    while (this.loading.has(id)) await this.loading.get(id);
    await this.#once(id, load);
  }

  /** The newest messages, and at least those after `unread` messages. @param {number} id @param {number} [unread] */
  newest(id, unread = 0) {
    return this.#after(id, async () => {
      const timeline = this.store.timeline(id);
      timeline.replace(await this.#page(id, { limit: Math.min(PAGE_LIMIT, Math.max(PAGE, unread + 10)) }));
      while (!timeline.follows && (await this.#newer(id)));
    });
  }

  /** The messages around a number. @param {number} id @param {number} number */
  around(id, number) {
    return this.#after(id, async () => {
      this.store.timeline(id).replace(await this.#page(id, { before: number + PAGE / 2 }));
    });
  }

  /** @param {number} id */
  older(id) {
    const timeline = this.store.timeline(id);
    if (!timeline.loaded || timeline.complete || this.#busy(id)) return Promise.resolve();
    return this.#once(id, async () => {
      timeline.prepend(await this.#page(id, { before: timeline.first }));
      timeline.trim("first");
    });
  }

  /** @param {number} id */
  newer(id) {
    const timeline = this.store.timeline(id);
    if (!timeline.loaded || timeline.follows || this.#busy(id)) return Promise.resolve();
    return this.#once(id, async () => {
      await this.#newer(id);
      timeline.trim("last");
    });
  }

  /** @param {number} id */
  #busy(id) {
    return this.loading.has(id) || performance.now() - this.failedAt < REST;
  }

  /** @param {number} id @returns {Promise<boolean>} whether there was something */
  async #newer(id) {
    const timeline = this.store.timeline(id);
    const page = await this.#page(id, { after: timeline.last });
    timeline.append(page);
    return page.length > 0;
  }

  /**
   * Complete a window that should end with the newest message. One that is not on the screen is
   * forgotten; where too much was said meanwhile, `behind` tells so, and the window stays as it is.
   *
   * @param {number} id
   */
  complete(id) {
    const { store } = this;
    const timeline = store.timelines.get(id);
    if (!timeline?.follows || timeline.last >= timeline.newest) return;
    if (id !== store.open) {
      store.timelines.delete(id);
    } else if (timeline.newest - timeline.last > PAGE_LIMIT) {
      timeline.abandon();
      store.tell("behind", id);
    } else {
      void this.#after(id, async () => {
        while (timeline.last < timeline.newest && (await this.#newer(id)));
      });
    }
  }
}
