/** Sign in, or make an account. */

import { el, find } from "../dom.js";
import { HttpError, post } from "../http.js";

/** @typedef {import("../types.js").Account} Account */

export class Entrance {
  /** @param {(account: Account) => void} enter */
  constructor(enter) {
    this.enter = enter;
    this.root = find("#entrance");
    this.form = find("form", this.root);
    this.problem = find(".problem", this.form);
    this.fresh = false;
    this.form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.#submit();
    });
    find(".link", this.form).addEventListener("click", () => this.#turn());
  }

  /** @param {string} [reason] why we are here */
  show(reason = "") {
    this.root.hidden = false;
    this.#tell(reason);
    this.form.elements.name.focus();
  }

  hide() {
    this.root.hidden = true;
  }

  /** From signing in to making an account, and back. */
  #turn() {
    this.fresh = !this.fresh;
    const title = this.fresh ? "Create an account" : "Sign in";
    find("h2", this.form).textContent = title;
    find(".primary", this.form).textContent = title;
    find(".only-new", this.form).hidden = !this.fresh;
    find(".other span", this.form).textContent = this.fresh ? "Been here before?" : "New here?";
    find(".other .link", this.form).textContent = this.fresh ? "Sign in" : "Create an account";
    this.form.elements.password.autocomplete = this.fresh ? "new-password" : "current-password";
    this.#tell("");
    this.form.elements.name.focus();
  }

  async #submit() {
    const { name, password, display } = this.form.elements;
    if (!name.value.trim() || !password.value) {
      this.#tell("Give a name and a password.");
      (name.value.trim() ? password : name).focus();
      return;
    }
    const button = find(".primary", this.form);
    button.disabled = true;
    try {
      const credentials = { name: name.value.trim(), password: password.value };
      const session = this.fresh
        ? await post("/api/sign-up", { ...credentials, display: display.value.trim() })
        : await post("/api/sign-in", credentials);
      this.form.reset();
      this.enter(session.account ?? session);
    } catch (error) {
      this.#tell(said(error));
      password.select();
    } finally {
      button.disabled = false;
    }
  }

  /** @param {string} text */
  #tell(text) {
    this.problem.replaceChildren(text && el("span", {}, text));
    this.problem.hidden = !text;
  }
}

/** @param {unknown} error @returns {string} */
function said(error) {
  if (error instanceof HttpError && error.status === 401) return "This name and password do not belong together.";
  return error instanceof Error ? error.message : String(error);
}
