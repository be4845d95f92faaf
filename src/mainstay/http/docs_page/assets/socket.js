// Try a WebSocket out: connect, send, and see what comes.

import { h, say } from "./dom.js";
import { example } from "./schema.js";
import { Inputs } from "./tryout.js";

const KEPT = 200; // lines of the log

export function trySocket(operation, spec) {
  const form = new Inputs(operation);
  const log = h("ol", { class: "log", "aria-label": "Messages", tabindex: "0" });
  const shown = example(operation.said.receives || {});
  const text = h("textarea", { id: "message", rows: 4, spellcheck: "false", value: typeof shown === "string" ? shown : JSON.stringify(shown ?? "", null, 2) });
  const connect = h("button", { class: "main", type: "submit" }, "Connect");
  const send = h("button", { class: "quiet", type: "button", disabled: true }, "Send message");
  let socket = null;

  const tell = (kind, what) => {
    log.append(h("li", { class: kind }, what));
    while (log.children.length > KEPT) log.firstChild.remove();
    log.scrollTop = log.scrollHeight;
  };
  const open = () => {
    const url = new URL(form.request(spec).url);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(url);
    connect.textContent = "Disconnect";
    socket.onopen = () => { send.disabled = false; tell("note", `Connected to ${url}`); say("Connected"); };
    socket.onmessage = (event) => tell("in", typeof event.data === "string" ? event.data : `${event.data.size} bytes`);
    socket.onclose = (event) => {
      tell("note", `Closed with ${event.code}${event.reason ? `: ${event.reason}` : ""}`);
      say("Closed");
      send.disabled = true;
      connect.textContent = "Connect";
      socket = null;
    };
  };
  send.addEventListener("click", () => { socket.send(text.value); tell("out", text.value); });
  const made = h("form", { class: "try" }, form.fields,
    h("div", { class: "field" }, h("label", { for: "message" }, "Message"), text),
    h("div", { class: "actions" }, connect, send), log);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    if (socket) socket.close();
    else open();
  });
  // Leaving the page of the operation leaves the conversation.
  addEventListener("hashchange", () => socket && socket.close(), { once: true });
  return h("section", { id: "try" }, h("h2", {}, "Try it"), made);
}
