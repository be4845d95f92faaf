/** Opens the page: at the entrance, or in the conversations of who is signed in. */

import { App } from "./app.js";
import { waitBefore } from "./backoff.js";
import { find, notice } from "./dom.js";
import { get, HttpError } from "./http.js";
import { Entrance } from "./views/entrance.js";

/** @typedef {import("./types.js").Account} Account */

const entrance = new Entrance(enter);

/** @param {Account} account */
function enter(account) {
  entrance.hide();
  const app = new App(account, (reason) => {
    if (reason) sessionStorage.setItem("halyard.reason", reason);
    // The simplest way to forget everything that one user has seen.
    location.reload();
  });
  app.start();
}

/** Ask who we are until the server answers. */
async function begin() {
  for (let attempt = 0; ; attempt += 1) {
    try {
      enter(accountOf(await get("/api/me")));
      return;
    } catch (error) {
      if (error instanceof HttpError && (error.status === 401 || error.status === 403)) break;
      notice(error);
      await new Promise((resolve) => setTimeout(resolve, waitBefore(attempt) * 1000));
    }
  }
  entrance.show(sessionStorage.getItem("halyard.reason") ?? "");
  sessionStorage.removeItem("halyard.reason");
}

/** @param {Account | {account: Account}} reply @returns {Account} */
function accountOf(reply) {
  return "account" in reply ? reply.account : reply;
}

find("#notice").addEventListener("click", () => (find("#notice").hidden = true));
void begin();
