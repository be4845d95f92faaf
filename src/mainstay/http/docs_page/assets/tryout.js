// Try an operation out: a form, the request it makes, its answer; and the same as a curl command.

import { authorize } from "./auth.js";
import { copy, h, say } from "./dom.js";
import { example, nameOf, resolve } from "./schema.js";

const SHOWN = 1024 * 1024; // characters of an answer; more would stall the page

export function baseOf(operation, spec) {
  const server = (operation.said.servers || spec.servers || [{ url: "/" }])[0];
  const filled = server.url.replace(/\{([^}]*)\}/g, (_, name) => ((server.variables || {})[name] || {}).default || name);
  // A root that is behind a prefix: the page stands beside the description, which knows no prefix.
  const root = new URL(".", location.href.split("#")[0]);
  return new URL(filled.startsWith("/") && !filled.startsWith("//") ? `.${filled}` : filled, root).href.replace(/\/$/, "");
}

// Null for what no page can send: envelopes of Connect around JSON.
export function tryOut(operation, spec) {
  const kinds = Object.keys((resolve(operation.said.requestBody) || {}).content || {});
  if (kinds.length && kinds.every((each) => each.startsWith("application/connect+"))) return null;
  const form = new Inputs(operation);
  const answer = h("div", { class: "answer" });
  const curl = h("button", { class: "quiet", type: "button", onclick: () => copy(asCurl(form.request(spec)), curl) }, "Copy as curl");
  const send = h("button", { class: "main" }, "Send");
  const made = h("form", { class: "try", novalidate: true }, form.fields, h("div", { class: "actions" }, send, curl), answer);
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!made.checkValidity()) return void made.querySelector(":invalid").focus();
    await run(form.request(spec), answer, send);
  });
  return h("section", { id: "try" }, h("h2", {}, "Try it"), made);
}

export class Inputs {
  constructor(operation) {
    this.operation = operation;
    this.parameters = (operation.said.parameters || []).map((each) => resolve(each)).map((each) => ({ ...each, input: input(each) }));
    this.body = operation.said.requestBody ? bodyInput(resolve(operation.said.requestBody)) : null;
    this.fields = [
      this.parameters.map((each) => h("div", { class: "field" },
        h("label", { for: each.input.id }, h("code", {}, each.name), h("span", { class: "in" }, each.in), each.required && h("span", { class: "required" }, "required")),
        each.input)),
      this.body && this.body.made,
    ];
  }

  request(spec) {
    const query = [], headers = [], cookies = [];
    let path = this.operation.path.split("#")[0];
    for (const { name, in: where, input } of this.parameters) {
      const value = input.value;
      if (where === "path") path = path.replace(`{${name}}`, encodeURIComponent(value).replace(/%2F/g, "/"));
      else if (value === "") continue;
      else if (where === "query") for (const each of several(input, value)) query.push([name, each]);
      else if (where === "header") headers.push([name, value]);
      else cookies.push(`${name}=${value}`);
    }
    authorize(this.operation.said.security || spec.security, headers, query);
    const body = this.body ? this.body.value() : null;
    if (body && body.type) headers.push(["content-type", body.type]);
    const search = new URLSearchParams(query).toString();
    const url = baseOf(this.operation, spec) + path + (search ? `?${search}` : "");
    return { method: this.operation.method.toUpperCase(), url, headers, cookies, body };
  }
}

function several(input, value) {
  return input.dataset.several === undefined ? [value] : value.split(",").map((each) => each.trim());
}

function input(parameter) {
  const schema = resolve(parameter.schema);
  const id = `p-${parameter.in}-${parameter.name}`;
  const options = schema.enum || (schema.type === "boolean" ? [true, false] : null);
  if (options) {
    const made = h("select", { id, required: parameter.required }, !parameter.required && h("option", { value: "" }, "—"),
      options.map((each) => h("option", { value: String(each) }, String(each))));
    return made;
  }
  const shown = Object.values(parameter.examples || {}).map((one) => resolve(one).value)[0];
  const value = shown ?? (parameter.required ? example(parameter.schema) : "");
  const many = schema.type === "array";
  return h("input", {
    id, required: parameter.required, value: Array.isArray(value) ? value.join(", ") : String(value ?? ""),
    placeholder: many ? "several, with commas" : nameOf(parameter.schema), "data-several": many ? "" : undefined,
    inputmode: schema.type === "integer" ? "numeric" : undefined, autocomplete: "off", spellcheck: "false",
  });
}

function bodyInput(body) {
  const types = Object.keys(body.content || {});
  const place = h("div", {});
  let current = null;
  const choose = (type) => {
    const schema = body.content[type].schema || {};
    const first = Object.values(body.content[type].examples || {})[0];
    const isForm = type.includes("form");
    current = isForm ? formInput(type, schema) : type.includes("json") ? textInput(type, schema, first) : rawInput(type);
    place.replaceChildren(current.made);
  };
  choose(types[0]);
  const id = "body-type";
  const picker = types.length > 1 && h("div", { class: "field" }, h("label", { for: id }, "Body type"),
    h("select", { id, onchange: (event) => choose(event.target.value) }, types.map((type) => h("option", {}, type))));
  return { made: h("div", {}, picker, place), value: () => current.value() };
}

function textInput(type, schema, first) {
  const shown = first ? resolve(first).value : example(schema);
  const text = h("textarea", { id: "body", rows: 10, spellcheck: "false", value: JSON.stringify(shown ?? {}, null, 2) });
  const made = h("div", { class: "field" }, h("label", { for: "body" }, "Body ", h("span", { class: "in" }, type)), text);
  return { made, value: () => ({ type, text: text.value }) };
}

function rawInput(type) {
  const file = h("input", { id: "body", type: "file" });
  const made = h("div", { class: "field" }, h("label", { for: "body" }, "Body ", h("span", { class: "in" }, type)), file);
  return { made, value: () => (file.files[0] ? { type, file: file.files[0] } : null) };
}

function formInput(type, given) {
  const schema = resolve(given);
  const required = new Set(schema.required || []);
  const inputs = Object.entries(schema.properties || {}).map(([name, each]) => {
    const field = resolve(each);
    const item = field.type === "array" ? resolve(field.items) : field;
    const id = `f-${name}`;
    if (item.format === "binary") return [name, h("input", { id, type: "file", multiple: field.type === "array", required: required.has(name) })];
    return [name, input({ name, in: "form", schema: each, required: required.has(name) })];
  });
  inputs.forEach(([name, each]) => (each.id = `f-${name}`));
  const made = h("div", {}, inputs.map(([name, each]) => h("div", { class: "field" },
    h("label", { for: each.id }, h("code", {}, name), h("span", { class: "in" }, "form"), required.has(name) && h("span", { class: "required" }, "required")), each)));
  const value = () => {
    const pairs = [];
    for (const [name, each] of inputs) {
      if (each.type === "file") for (const file of each.files) pairs.push([name, file]);
      else if (each.value !== "") for (const one of several(each, each.value)) pairs.push([name, one]);
    }
    return { type: type.includes("urlencoded") ? type : "", pairs };
  };
  return { made, value };
}

function payload(body) {
  if (!body) return undefined;
  if (body.text !== undefined) return body.text;
  if (body.file) return body.file;
  if (body.type) return new URLSearchParams(body.pairs).toString();
  const form = new FormData();
  body.pairs.forEach(([name, value]) => form.append(name, value));
  return form;
}

async function run(request, place, button) {
  const stopper = new AbortController();
  const stop = h("button", { class: "quiet small", type: "button", onclick: () => stopper.abort() }, "Stop");
  place.replaceChildren(h("p", { class: "note" }, "Waiting… ", stop));
  button.disabled = true;
  const started = performance.now();
  try {
    const headers = new Headers(request.headers);
    const response = await fetch(request.url, { method: request.method, headers, body: payload(request.body), signal: stopper.signal, credentials: "same-origin" });
    await show(response, place, started, stop);
  } catch (error) {
    const why = error.name === "AbortError" ? "Stopped." : `No answer: ${error.message}. The server may be out of reach, or may not allow requests from this page.`;
    place.append(h("p", { class: "warning" }, why));
    say(why);
  } finally {
    stop.remove();
    button.disabled = false;
  }
}

async function show(response, place, started, stop) {
  const kind = response.status < 300 ? "good" : response.status < 400 ? "moved" : "bad";
  const took = h("span", { class: "note" });
  const size = h("span", { class: "note" });
  const tell = () => (took.textContent = `${Math.round(performance.now() - started)} ms`);
  tell();
  const output = h("div", {});
  place.replaceChildren(
    h("p", { class: "result" }, h("span", { class: `status ${kind}` }, `${response.status} ${response.statusText}`), took, size, stop),
    h("details", {}, h("summary", {}, "Headers"), h("dl", {}, [...response.headers].map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))),
    output);
  say(`Answer: ${response.status} ${response.statusText}`);
  const type = response.headers.get("content-type") || "";
  if (/^(image|audio|video|font)\/|octet-stream|pdf|zip/.test(type)) await showFile(response, type, output, size);
  else await showText(response, type, output, size);
  tell();
}

async function showFile(response, type, output, size) {
  const blob = await response.blob();
  const url = URL.createObjectURL(blob);
  size.textContent = bytes(blob.size);
  output.replaceChildren(
    type.startsWith("image/") ? h("img", { src: url, alt: "The answer" }) : "",
    h("p", {}, h("a", { href: url, download: "answer" }, "Save the answer")));
}

async function showText(response, type, output, size) {
  const code = h("code", {});
  output.replaceChildren(h("pre", { tabindex: "0", "aria-label": "Body of the answer" }, code));
  let text = "", total = 0;
  const reader = response.body ? response.body.getReader() : null;
  const decoder = new TextDecoder();
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    total += value.length;
    size.textContent = bytes(total);
    if (text.length < SHOWN) {
      text += decoder.decode(value, { stream: true });
      code.textContent = text.slice(0, SHOWN);
    }
  }
  if (/json/.test(type) && !/ndjson/.test(type)) {
    try {
      code.textContent = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // Not JSON after all: shown as it is.
    }
  }
  if (!total) output.replaceChildren(h("p", { class: "note" }, "No body."));
}

function bytes(size) {
  return size < 1024 ? `${size} B` : size < 1048576 ? `${(size / 1024).toFixed(1)} KiB` : `${(size / 1048576).toFixed(1)} MiB`;
}

const quote = (text) => `'${text.replace(/'/g, "'\\''")}'`;

export function asCurl({ method, url, headers, cookies, body }) {
  const words = ["curl"];
  if (method !== "GET") words.push(`-X ${method}`);
  words.push(quote(url));
  headers.forEach(([name, value]) => words.push(`-H ${quote(`${name}: ${value}`)}`));
  if (cookies.length) words.push(`-b ${quote(cookies.join("; "))}`);
  if (body && body.text !== undefined) words.push(`--data-raw ${quote(body.text)}`);
  else if (body && body.file) words.push(`--data-binary ${quote(`@${body.file.name}`)}`);
  else if (body && body.pairs) {
    const flag = body.type ? "--data-urlencode" : "-F";
    body.pairs.forEach(([name, value]) => words.push(`${flag} ${quote(`${name}=${value instanceof File ? `@${value.name}` : value}`)}`));
  }
  return words.join(" \\\n  ");
}
