/** Sign in, or make an account. */

import { el, find, sentence } from "../dom.js";
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
    this.problem.classList.add("calm");
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
    for (const part of this.form.querySelectorAll(".only-new")) part.hidden = !this.fresh;
    find(".other span", this.form).textContent = this.fresh ? "Been here before?" : "New here?";
    find(".other .link", this.form).textContent = this.fresh ? "Sign in" : "Create an account";
    for (const field of [this.form.elements.name, this.form.elements.password]) {
      if (this.fresh) field.setAttribute("aria-describedby", `${field.name}-rule`);
      else field.removeAttribute("aria-describedby");
    }
    this.form.elements.password.autocomplete = this.fresh ? "new-password" : "current-password";
    this.#tell("");
    this.form.elements.name.focus();
  }

  async #submit() {
    const { name, password, display } = this.form.elements;
    if (!name.value.trim() || !password.value) {
      this.#tell("Give a name and a password.", name.value.trim() ? password : name);
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
      this.enter(session.account);
    } catch (error) {
      this.#tell(said(error), this.#cause(error));
    } finally {
      button.disabled = false;
    }
  }

  /** The field to change, if it is one. @param {unknown} error @returns {HTMLInputElement | null} */
  #cause(error) {
    if (!(error instanceof HttpError)) return null;
    const { name, password } = this.form.elements;
    if (error.reason === "BAD_NAME" || error.status === 409) return name;
    return error.reason === "BAD_PASSWORD" || error.status === 401 ? password : null;
  }

  /** @param {string} text @param {HTMLInputElement | null} [cause] the field that it is about */
  #tell(text, cause = null) {
    this.problem.classList.remove("calm");
    this.problem.replaceChildren(text && el("span", {}, text));
    this.problem.hidden = !text;
    for (const field of this.form.querySelectorAll("input")) field.setAttribute("aria-invalid", String(field === cause));
    cause?.focus();
    cause?.select();
  }
}

/** @param {unknown} error @returns {string} */
function said(error) {
  if (error instanceof HttpError && error.status === 401) return "This name and password do not belong together.";
  return sentence(error);
}
