/**
 * One conversation with the gateway, kept up over many WebSockets.
 *
 * It says `hello` with the highest place this page has seen, so that the gateway tells what was
 * missed. When the line is silent it asks whether anybody is there, and when nobody is, it comes
 * back after a wait that grows, and that the state tells honestly. It neither keeps nor repeats
 * what is sent: `send` says whether there was a line (see outbox.js).
 */

import { waitBefore } from "./backoff.js";

/** @typedef {import("./types.js").ServerFrame} ServerFrame */

/**
 * `waiting`: until `until` (of `Date.now()`), then it tries again. `offline`: the browser has no
 * network. `ended`: signed out, or stopped.
 * @typedef {{name: "connecting" | "connected" | "waiting" | "offline" | "ended", until: number}} State
 */

const OPENING = 10_000;
const ANSWERING = 5_000;
const STEADY = 5_000;
const SIGNED_OUT = 4001;
const TOO_SLOW = 4008;

export class Connection extends EventTarget {
  /**
   * @param {object} options
   * @param {string} options.url
   * @param {() => number} options.cursor the highest place that was seen
   * @param {() => Promise<boolean>} options.admitted whether we are signed in, asked when a
   *   WebSocket was refused: the browser does not say why
   */
  constructor({ url, cursor, admitted }) {
    super();
    this.url = url;
    this.cursor = cursor;
    this.admitted = admitted;
    /** @type {State} */
    this.state = { name: "ended", until: 0 };
    /** @type {WebSocket | null} */
    this.socket = null;
    this.attempt = 0;
    this.silence = 25_000;
    this.welcomedAt = 0;
    this.comeBackAfter = -1;
    this.timer = 0;
  }

  /** Begin, and keep at it until `stop`. */
  start() {
    addEventListener("online", this.now);
    addEventListener("offline", this.#lost);
    addEventListener("pageshow", this.#woken);
    document.addEventListener("visibilitychange", this.#woken);
    this.#change("waiting");
    this.now();
  }

  /** End it for good. */
  stop() {
    removeEventListener("online", this.now);
    removeEventListener("offline", this.#lost);
    removeEventListener("pageshow", this.#woken);
    document.removeEventListener("visibilitychange", this.#woken);
    this.#drop(1000);
    this.#change("ended");
  }

  get connected() {
    return this.state.name === "connected";
  }

  /** @param {object} frame @returns {boolean} whether there was a line to say it on */
  send(frame) {
    if (!this.connected || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  /** Try at once instead of later. */
  now = () => {
    if (this.state.name !== "waiting" && this.state.name !== "offline") return;
    this.#open();
  };

  #lost = () => {
    if (this.state.name === "ended") return;
    this.#drop(1000);
    this.#change("offline");
  };

  /** A page that slept does not know whether its line still stands. */
  #woken = () => {
    if (document.hidden) return;
    if (this.connected) this.#ping();
    else this.now();
  };

  /** @param {State["name"]} name @param {number} [until] */
  #change(name, until = 0) {
    this.state = { name, until };
    this.dispatchEvent(new Event("state"));
  }

  #open() {
    this.#drop(1000);
    this.#change("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    this.comeBackAfter = -1;
    this.#later(OPENING, () => this.#again(socket, 0));
    socket.onopen = () => socket.send(JSON.stringify({ type: "hello", cursor: this.cursor() }));
    socket.onmessage = (event) => this.#heard(socket, event.data);
    socket.onclose = (event) => this.#again(socket, event.code);
  }

  /** @param {WebSocket} socket @param {string} data */
  #heard(socket, data) {
    if (socket !== this.socket) return;
    /** @type {ServerFrame} */
    const frame = JSON.parse(data);
    this.#later(this.silence, () => this.#ping());
    if (frame.type === "reconnect") {
      this.comeBackAfter = frame.after;
      return;
    }
    if (frame.type === "welcome") {
      this.silence = frame.silence * 1000;
      this.welcomedAt = Date.now();
      this.#change("connected");
      this.#later(this.silence, () => this.#ping());
    }
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
    // Only now: whoever hears of `welcomed` finds everything as the gateway told it.
    if (frame.type === "welcome") this.dispatchEvent(new Event("welcomed"));
  }

  #ping() {
    const socket = this.socket;
    if (!socket || !this.send({ type: "ping" })) return;
    this.#later(ANSWERING, () => this.#again(socket, 0));
  }

  /**
   * The socket is lost: come back.
   *
   * @param {WebSocket} socket
   * @param {number} code 0 when we gave it up
   */
  async #again(socket, code) {
    if (socket !== this.socket) return;
    const wasWelcome = this.connected;
    this.#drop(1000);
    if (code === SIGNED_OUT || (!wasWelcome && !(await this.#mayComeBack(socket)))) {
      if (this.socket === null) this.#change("ended");
      return;
    }
    if (this.socket !== null || this.state.name === "ended") return;
    if (!navigator.onLine) {
      this.#change("offline");
      return;
    }
    if (wasWelcome && Date.now() - this.welcomedAt >= STEADY) this.attempt = 0;
    let seconds = waitBefore(this.attempt);
    if (this.comeBackAfter >= 0) seconds = this.comeBackAfter;
    else if (code === TOO_SLOW) seconds = Math.random();
    else this.attempt += 1;
    this.#change("waiting", Date.now() + seconds * 1000);
    this.#later(seconds * 1000, () => this.now());
  }

  /** @param {WebSocket} socket */
  async #mayComeBack(socket) {
    this.#change("waiting", Date.now());
    return await this.admitted();
  }

  /** @param {number} milliseconds @param {() => void} run instead of what was to run before */
  #later(milliseconds, run) {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(run, milliseconds);
  }

  /** @param {number} code */
  #drop(code) {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }
}
