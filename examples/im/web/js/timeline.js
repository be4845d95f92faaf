/**
 * A window on the messages of one conversation.
 *
 * Messages never change, and their numbers have no gaps: so a window is a run of numbers, and what is
 * missing shows by itself. A window `follows` when it ends with the newest message; then what is
 * said next belongs to it. What comes too early waits in `ahead` until the gap is filled.
 */

/** @typedef {import("./types.js").Message} Message */

/** Messages a window holds; beyond it, the far end is let go and can be loaded again. */
export const WINDOW = 300;

export class Timeline {
  constructor() {
    /** @type {Message[]} */
    this.items = [];
    /** @type {Map<number, Message>} */
    this.ahead = new Map();
    this.newest = 0;
    this.loaded = false;
    this.follows = false;
  }

  get first() {
    return this.items.length ? this.items[0].number : 0;
  }

  get last() {
    return this.items.length ? this.items[this.items.length - 1].number : 0;
  }

  /** Whether there is nothing before the window. */
  get complete() {
    return this.loaded && this.first <= 1;
  }

  /** @param {number} number @returns {boolean} */
  has(number) {
    return number >= this.first && number <= this.last && this.items.length > 0;
  }

  /**
   * Take what was said just now.
   *
   * @param {Message} message
   * @returns {boolean} whether something before it is missing here
   */
  put(message) {
    this.newest = Math.max(this.newest, message.number);
    if (!this.follows || message.number <= this.last) return false;
    this.ahead.set(message.number, message);
    this.#close();
    return this.ahead.size > 0;
  }

  /** Show this page, and nothing else. @param {Message[]} page */
  replace(page) {
    this.items = [...page];
    this.loaded = true;
    this.#close();
    this.#reached();
  }

  /** @param {Message[]} page messages just before the window, or some of it */
  prepend(page) {
    this.items.unshift(...page.filter((message) => message.number < this.first));
  }

  /** @param {Message[]} page messages just after the window, or some of it */
  append(page) {
    this.items.push(...page.filter((message) => message.number > this.last));
    this.#close();
    this.#reached();
  }

  /** Let go of what is far from the end that is looked at. @param {"first" | "last"} end */
  trim(end) {
    if (this.items.length <= WINDOW) return;
    if (end === "last") {
      this.items.splice(0, this.items.length - WINDOW);
    } else {
      this.items.length = WINDOW;
      this.abandon();
    }
  }

  /** The newest messages are no longer part of it. */
  abandon() {
    this.ahead.clear();
    this.follows = false;
  }

  #reached() {
    this.newest = Math.max(this.newest, this.last);
    this.follows = this.last >= this.newest;
  }

  #close() {
    for (const number of this.ahead.keys()) if (number <= this.last) this.ahead.delete(number);
    for (let next; (next = this.ahead.get(this.last + 1)); ) {
      this.items.push(next);
      this.ahead.delete(next.number);
    }
  }
}
