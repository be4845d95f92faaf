// The list of operations, the page of the one that is chosen, and the keyboard.

import { useSchemes } from "./auth.js";
import { h, prose, say } from "./dom.js";
import { badge, goTry, page } from "./operation.js";
import { useDocument } from "./schema.js";

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];
const main = document.getElementById("main");
const address = document.querySelector('link[rel="service-desc"]').getAttribute("href");
const list = document.getElementById("list");
const search = document.getElementById("search");
let spec = null;
let operations = [];

function read(found) {
  for (const [path, item] of Object.entries(found.paths || {})) {
    for (const method of METHODS) if (item[method]) add(path, method, item[method], item);
    if (item["x-websocket"]) add(path, "websocket", item["x-websocket"], item);
  }
}

function add(path, method, said, item) {
  const parameters = [...(item.parameters || []), ...(said.parameters || [])];
  const id = said.operationId || `${method} ${path}`;
  const words = [method, path, said.summary, said.operationId, ...(said.tags || [])].join(" ").toLowerCase();
  operations.push({ path, method, said: { ...said, parameters }, id, words });
}

function groups(wanted) {
  const found = new Map((spec.tags || []).map((tag) => [tag.name, []]));
  for (const each of wanted) {
    for (const tag of each.said.tags && each.said.tags.length ? each.said.tags : [""]) {
      found.set(tag, [...(found.get(tag) || []), each]);
    }
  }
  return [...found].filter(([, members]) => members.length);
}

function matching() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  return operations.filter((each) => words.every((word) => each.words.includes(word)));
}

function showList() {
  const wanted = matching();
  const here = chosen();
  const titled = groups(wanted);
  list.replaceChildren(...titled.map(([tag, members]) => h("section", {},
    (tag || titled.length > 1) && h("h2", {}, tag || "Other"),
    h("ul", {}, members.map((each) => h("li", {},
      h("a", { href: `#/${encodeURIComponent(each.id)}`, "aria-current": here === each ? "page" : undefined, class: each.said.deprecated ? "gone" : undefined, title: each.path.split("#")[0] },
        badge(each), h("span", { class: "label" }, each.said.summary || each.path))))))));
  document.getElementById("nothing").hidden = wanted.length > 0;
}

function chosen() {
  const id = decodeURIComponent(location.hash.replace(/^#\//, ""));
  return operations.find((each) => each.id === id);
}

function home() {
  const titled = groups(operations);
  return [
    h("h1", { id: "heading", tabindex: "-1" }, spec.info.title),
    spec.info.description && prose(spec.info.description),
    h("p", { class: "note" }, `${operations.length} ${operations.length === 1 ? "operation" : "operations"} · `,
      h("a", { href: address }, address), ` (OpenAPI ${spec.openapi})`),
    titled.map(([tag, members]) => h("section", { class: "group" },
      (tag || titled.length > 1) && h("h2", {}, tag || "Other"),
      h("ul", { class: "cards" }, members.map((each) => h("li", {},
        h("a", { href: `#/${encodeURIComponent(each.id)}`, class: each.said.deprecated ? "gone" : undefined }, badge(each),
          h("code", {}, each.path.split("#")[0]), h("span", { class: "label" }, each.said.summary || ""))))))),
  ];
}

function show(first) {
  if (location.hash === "#main") return;
  const operation = chosen();
  document.body.classList.toggle("chosen", Boolean(operation));
  const parts = operation ? page(operation, spec) : home();
  main.replaceChildren(...parts.flat(Infinity).filter(Boolean));
  const name = operation ? operation.said.summary || operation.path : "";
  document.title = name ? `${name} · ${spec.info.title}` : spec.info.title;
  showList();
  scrollTo(0, 0);
  if (!first) document.getElementById("heading").focus({ preventScroll: true });
  const current = list.querySelector("[aria-current]");
  if (current) current.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const wanted = matching();
  if (!wanted.length) return;
  // In the order of the list, where an operation stands under each of its tags.
  const order = [...new Set(groups(wanted).flatMap(([, members]) => members))];
  const at = order.indexOf(chosen());
  const next = order[at < 0 ? (by > 0 ? 0 : order.length - 1) : Math.min(Math.max(at + by, 0), order.length - 1)];
  location.hash = `#/${encodeURIComponent(next.id)}`;
}

const KEYS = [
  ["/", "Search", () => { search.focus(); search.select(); }],
  ["j", "Next operation", () => step(1)],
  ["k", "Previous operation", () => step(-1)],
  ["t", "Try it", goTry],
  ["d", "Light or dark", theme],
  ["?", "This help", help],
];

function help() {
  const dialog = h("dialog", { "aria-labelledby": "help-title" },
    h("form", { method: "dialog" },
      h("h2", { id: "help-title" }, "Keyboard"),
      h("dl", { class: "keys" }, KEYS.map(([key, said]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, said)]),
        h("dt", {}, h("kbd", {}, "Esc")), h("dd", {}, "Back to the list")),
      h("div", { class: "actions" }, h("button", { class: "main" }, "Close"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("docs-theme", root.dataset.theme);
  } catch {
    // Storage is forbidden here: it holds until the page is left.
  }
}

function keyboard(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "Escape") {
    if (typing && event.target === search && search.value) { search.value = ""; showList(); }
    else if (typing) event.target.blur();
    else if (chosen()) location.hash = "#/";
    return;
  }
  if (event.target === search && (event.key === "Enter" || event.key === "ArrowDown")) {
    const link = list.querySelector("a");
    if (link) { event.preventDefault(); event.key === "Enter" ? link.click() : link.focus(); }
    return;
  }
  if (list.contains(event.target) && /^Arrow(Up|Down)$/.test(event.key)) {
    const links = [...list.querySelectorAll("a")];
    const next = links[links.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
    event.preventDefault();
    (next || search).focus();
    return;
  }
  const found = !typing && KEYS.find(([key]) => key === event.key);
  if (found) { event.preventDefault(); found[2](); }
}

async function start() {
  document.getElementById("theme").addEventListener("click", theme);
  document.getElementById("help").addEventListener("click", help);
  document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
  try {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    spec = await answer.json();
  } catch (error) {
    main.replaceChildren(h("p", { class: "warning", role: "alert" }, `The description cannot be read: ${error.message}.`));
    return;
  }
  useDocument(spec);
  read(spec);
  useSchemes((spec.components || {}).securitySchemes);
  document.getElementById("title").textContent = spec.info.title;
  document.getElementById("version").textContent = spec.info.version === "0.0.0" ? "" : spec.info.version;
  search.addEventListener("input", () => { showList(); say(`${matching().length} operations`); });
  addEventListener("hashchange", () => show(false));
  addEventListener("keydown", keyboard);
  show(true);
}

start();
