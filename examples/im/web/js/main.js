/** Opens the page: at the entrance, or in the conversations of who is signed in. */

import { App } from "./app.js";
import { waitBefore } from "./backoff.js";
import { find, notice } from "./dom.js";
import { get } from "./http.js";
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
      /** @type {{account?: Account}} */
      const { account } = await get("/api/me");
      if (!account) break;
      enter(account);
      return;
    } catch (error) {
      notice(error);
      await new Promise((resolve) => setTimeout(resolve, waitBefore(attempt) * 1000));
    }
  }
  entrance.show(sessionStorage.getItem("halyard.reason") ?? "");
  sessionStorage.removeItem("halyard.reason");
}

find("#notice").addEventListener("click", () => (find("#notice").hidden = true));
void begin();
