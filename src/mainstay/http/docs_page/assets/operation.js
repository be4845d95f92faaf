// One operation, as a page: what it takes, what it answers, and a form to try it.

import { copy, h, prose } from "./dom.js";
import { example, nameOf, resolve, rulesOf, tree } from "./schema.js";
import { tryOut } from "./tryout.js";
import { trySocket } from "./socket.js";

export function badge(operation) {
  const word = operation.method === "websocket" ? "ws" : operation.method === "delete" ? "del" : operation.method;
  return h("span", { class: `badge ${operation.method}` }, word.toUpperCase());
}

export function goTry() {
  const form = document.querySelector("#try");
  if (!form) return;
  form.scrollIntoView();
  form.querySelector("input, select, textarea, button").focus({ preventScroll: true });
}

export function page(operation, spec) {
  const said = operation.said;
  const path = operation.path.split("#")[0];
  const form = operation.method === "websocket" ? trySocket(operation, spec) : tryOut(operation, spec);
  const copier = h("button", { class: "quiet small", type: "button", onclick: () => copy(path, copier) }, "Copy path");
  return [
    h("p", { class: "back" }, h("a", { href: "#/" }, "← All operations")),
    h("h1", { id: "heading", tabindex: "-1" }, said.summary || path),
    h("div", { class: "route" }, badge(operation), h("code", {}, parts(path)), copier,
      form && h("button", { class: "main small", type: "button", onclick: goTry }, "Try it")),
    said["x-rpc"] && rpc(said["x-rpc"]),
    said.deprecated && h("p", { class: "warning" }, "Deprecated: use something else where you can."),
    said.description && prose(said.description),
    secured(said.security || spec.security),
    parameters(said.parameters),
    body(said.requestBody),
    messages(said),
    responses(said.responses),
    form || section("Try it", h("p", { class: "note" },
      "A page cannot speak what this method streams. From a terminal: ",
      h("code", {}, `mainstay call ${location.host} ${(said["x-rpc"] || {}).method || path}`))),
  ];
}

function rpc({ method, kind }) {
  return h("p", { class: "note" }, "RPC ", h("code", {}, method), ` · ${kind}`);
}

function parts(path) {
  return path.split(/(\{[^}]*\})/).map((part) => (part.startsWith("{") ? h("span", { class: "hole" }, part) : part));
}

function section(title, ...children) {
  return h("section", {}, h("h2", {}, title), ...children);
}

function secured(requirements) {
  if (!requirements || !requirements.length) return null;
  const said = requirements.map((each) => Object.entries(each).map(
    ([name, scopes]) => (scopes.length ? `${name} (${scopes.join(", ")})` : name)).join(" and ") || "nothing");
  return h("p", { class: "secured" }, "Needs ", h("strong", {}, said.join(", or ")), ".");
}

function parameters(given) {
  if (!given || !given.length) return null;
  return section("Parameters", h("ul", { class: "fields top" }, given.map((each) => {
    const parameter = resolve(each);
    const schema = resolve(parameter.schema);
    const rules = rulesOf(parameter.schema);
    const examples = Object.values(parameter.examples || {}).map((one) => JSON.stringify(resolve(one).value));
    if (examples.length) rules.push(`such as ${examples.join(", ")}`);
    return h("li", {},
      h("div", { class: "head" },
        h("code", { class: "name" }, parameter.name),
        h("code", { class: "type" }, nameOf(parameter.schema)),
        h("span", { class: "in" }, parameter.in),
        parameter.required && h("span", { class: "required" }, "required"),
        parameter.deprecated && h("span", { class: "old" }, "deprecated")),
      rules.length > 0 && h("div", { class: "rules" }, rules.join(" · ")),
      (parameter.description || schema.description) && h("div", { class: "note" }, parameter.description || schema.description));
  })));
}

function body(given) {
  if (!given) return null;
  const found = resolve(given);
  return section("Body",
    h("p", { class: "note" }, found.required ? "Required." : "Optional.", found.description ? ` ${found.description}` : ""),
    content(found.content));
}

function messages(said) {
  if (!said.receives && !said.sends) return null;
  return section("Messages",
    h("h3", {}, "You send"), media("text", { schema: said.receives }),
    h("h3", {}, "You receive"), media("text", { schema: said.sends }));
}

function responses(given) {
  if (!given) return null;
  return section("Responses", Object.entries(given).map(([status, each]) => {
    const response = resolve(each);
    const kind = status < "3" ? "good" : status < "4" ? "moved" : "bad";
    return h("details", { class: "response", open: kind === "good" },
      h("summary", {}, h("span", { class: `status ${kind}` }, status), h("span", { class: "said" }, response.description)),
      Object.entries(response.headers || {}).map(([name, header]) => h("p", { class: "note" },
        h("code", {}, name), " ", resolve(header).description || "")),
      response.content ? content(response.content) : h("p", { class: "note" }, "No body."));
  }));
}

// Media types that say the same are told together.
function content(kinds) {
  const groups = new Map();
  for (const [type, each] of Object.entries(kinds || {})) {
    const key = JSON.stringify(each);
    groups.set(key, [...(groups.get(key) || []), type]);
  }
  return [...groups].map(([key, types]) => media(types.join(", "), JSON.parse(key)));
}

function media(types, given) {
  const item = given["x-item-schema"];
  const schema = item || given.schema || {};
  const first = Object.values(given.examples || {})[0];
  const shown = first ? resolve(first).value : given.example !== undefined ? given.example : example(schema);
  const json = types.includes("json") || types === "text";
  return h("div", { class: "media" },
    h("div", { class: "type-line" }, types !== "text" && h("code", {}, types), item && h("span", { class: "note" }, given["x-item-count"] === 1 ? "one, in an envelope:" : "a stream of"),
      h("code", { class: "type" }, nameOf(schema))),
    h("div", { class: "columns" },
      tree(schema),
      (json || first) && shown !== undefined && h("figure", {}, h("figcaption", {}, "Example"),
        h("pre", { tabindex: "0" }, h("code", {}, JSON.stringify(shown, null, 2))))));
}
