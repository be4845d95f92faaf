// Schemas for people: their names, their fields, an example. A schema may contain itself, so what
// stands behind a reference is rendered when it is opened, and examples end where they would repeat.

import { h } from "./dom.js";

let document_ = {};

export function useDocument(spec) {
  document_ = spec;
}

export function resolve(thing) {
  let seen = 0;
  while (thing && typeof thing === "object" && thing.$ref && seen++ < 20) {
    const { $ref, ...beside } = thing;
    const found = $ref.replace(/^#\//, "").split("/").reduce(
      (at, key) => (at || {})[decodeURIComponent(key).replace(/~1/g, "/").replace(/~0/g, "~")],
      document_,
    );
    thing = { ...(found || {}), ...beside };
  }
  return thing || {};
}

export function nameOf(schema) {
  if (schema === true || !schema || !Object.keys(schema).length) return "any";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  for (const union of ["anyOf", "oneOf"]) {
    if (schema[union]) return [...new Set(schema[union].map(nameOf))].join(" | ");
  }
  if (schema.allOf) return schema.allOf.map(nameOf).join(" & ");
  if (schema.type === "array" || schema.items || schema.prefixItems) {
    if (schema.prefixItems) return `[${schema.prefixItems.map(nameOf).join(", ")}]`;
    return `array of ${nameOf(schema.items)}`;
  }
  if (schema.enum) return schema.title || "enum";
  if (Array.isArray(schema.type)) return schema.type.join(" | ");
  if (schema.type === "object" || schema.properties) {
    if (schema.title) return schema.title;
    if (schema.additionalProperties && !schema.properties) {
      return `map of ${nameOf(schema.additionalProperties)}`;
    }
    return "object";
  }
  const type = schema.type || "any";
  const format = schema.format || schema.contentEncoding;
  return format ? `${type} (${format})` : type;
}

const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

const RULES = [
  ["minimum", (v) => `≥ ${v}`],
  ["exclusiveMinimum", (v) => `> ${v}`],
  ["maximum", (v) => `≤ ${v}`],
  ["exclusiveMaximum", (v) => `< ${v}`],
  ["multipleOf", (v) => `multiple of ${v}`],
  ["minLength", (v) => `at least ${count(v, "character")}`],
  ["maxLength", (v) => `at most ${count(v, "character")}`],
  ["pattern", (v) => `matches ${v}`],
  ["minItems", (v) => `at least ${count(v, "item")}`],
  ["maxItems", (v) => `at most ${count(v, "item")}`],
];

export function rulesOf(given) {
  const schema = resolve(given);
  const rules = RULES.filter(([key]) => schema[key] !== undefined).map(([key, told]) => told(schema[key]));
  if (schema.enum) rules.push(`one of ${schema.enum.map((each) => JSON.stringify(each)).join(", ")}`);
  if (schema.default !== undefined) rules.push(`default ${JSON.stringify(schema.default)}`);
  return rules;
}

export function tree(given) {
  const schema = resolve(given);
  const described = schema.description && h("p", { class: "note" }, schema.description);
  const inner = inside(schema);
  if (inner) return h("div", { class: "tree" }, described, inner);
  const rules = rulesOf(schema);
  return h("div", { class: "tree" }, h("code", { class: "type" }, nameOf(given)),
    rules.length > 0 && h("span", { class: "rules" }, rules.join(" · ")), described);
}

// The rows of what a schema is made of; null for a value without parts.
function inside(schema) {
  for (const union of ["anyOf", "oneOf", "allOf"]) {
    const options = schema[union] && schema[union].filter((each) => each.type !== "null");
    if (options && options.length === 1) return inside(resolve(options[0]));
    if (options) {
      const said = union === "allOf" ? "all of" : "one of";
      return h("ul", { class: "fields", "aria-label": said }, options.map((each) => row(said, each, false)));
    }
  }
  if (schema.properties && Object.keys(schema.properties).length) {
    const required = new Set(schema.required || []);
    return h("ul", { class: "fields" },
      Object.entries(schema.properties).map(([name, each]) => row(name, each, required.has(name))));
  }
  if (schema.items && typeof schema.items === "object") return inside(resolve(schema.items));
  if (schema.additionalProperties && typeof schema.additionalProperties === "object") {
    return inside(resolve(schema.additionalProperties));
  }
  return null;
}

function row(name, given, required) {
  const schema = resolve(given);
  const head = [
    h("code", { class: "name" }, name),
    h("code", { class: "type" }, nameOf(given)),
    required && h("span", { class: "required" }, "required"),
    schema.deprecated && h("span", { class: "old" }, "deprecated"),
  ];
  const rules = rulesOf(given);
  const below = [
    rules.length > 0 && h("div", { class: "rules" }, rules.join(" · ")),
    schema.description && h("div", { class: "note" }, schema.description),
  ];
  if (!inside(schemaShallow(schema))) return h("li", {}, h("div", { class: "head" }, head), below);
  const details = h("details", {}, h("summary", { class: "head" }, head), below);
  details.addEventListener("toggle", () => {
    if (details.open && !details.querySelector(":scope > ul")) details.append(inside(schema));
  });
  return h("li", {}, details);
}

// Enough to know whether there are parts, without rendering them.
function schemaShallow(schema) {
  for (const union of ["anyOf", "oneOf", "allOf"]) {
    if (!schema[union]) continue;
    const options = schema[union].filter((each) => each.type !== "null");
    if (options.length === 1) return schemaShallow(resolve(options[0]));
    return options.some((each) => each.$ref || each.properties) ? { properties: { x: {} } } : {};
  }
  if (schema.properties) return Object.keys(schema.properties).length ? { properties: { x: {} } } : {};
  if (schema.items) return schemaShallow(resolve(schema.items));
  if (typeof schema.additionalProperties === "object") return schemaShallow(resolve(schema.additionalProperties));
  return {};
}

export function example(given, above = []) {
  if (given && given.$ref) {
    if (above.includes(given.$ref)) return undefined;
    above = [...above, given.$ref];
  }
  const schema = resolve(given);
  if (schema.example !== undefined) return schema.example;
  if (schema.examples && schema.examples.length) return schema.examples[0];
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  for (const union of ["anyOf", "oneOf"]) {
    if (!schema[union]) continue;
    for (const each of schema[union]) {
      const found = each.type === "null" ? undefined : example(each, above);
      if (found !== undefined) return found;
    }
    return null;
  }
  if (schema.allOf) {
    const parts = schema.allOf.map((each) => example(each, above));
    return parts.every((each) => each && typeof each === "object") ? Object.assign({}, ...parts) : parts[0];
  }
  const type = Array.isArray(schema.type) ? schema.type.find((each) => each !== "null") : schema.type;
  if (type === "object" || schema.properties) return exampleObject(schema, above);
  if (type === "array" || schema.items || schema.prefixItems) {
    if (schema.prefixItems) return schema.prefixItems.map((each) => example(each, above));
    const item = schema.items ? example(schema.items, above) : undefined;
    return item === undefined ? [] : [item];
  }
  if (type === "integer" || type === "number") return exampleNumber(schema, type);
  if (type === "boolean") return true;
  if (type === "null") return null;
  if (type === "string") return exampleText(schema);
  return {};
}

function exampleObject(schema, above) {
  const made = {};
  for (const [name, each] of Object.entries(schema.properties || {})) {
    const value = example(each, above);
    if (value !== undefined) made[name] = value;
  }
  if (!schema.properties && typeof schema.additionalProperties === "object") {
    const value = example(schema.additionalProperties, above);
    if (value !== undefined) made.key = value;
  }
  // Members that exclude one another, as those of a oneof do: the first stays.
  for (const { required } of (schema.not || {}).anyOf || []) {
    if (required && required.every((name) => name in made)) delete made[required[required.length - 1]];
  }
  return made;
}

function exampleNumber(schema, type) {
  let value = schema.minimum ?? (schema.exclusiveMinimum !== undefined ? schema.exclusiveMinimum + 1 : undefined);
  value ??= schema.maximum ?? (schema.exclusiveMaximum !== undefined ? schema.exclusiveMaximum - 1 : undefined);
  return value ?? (type === "integer" ? 1 : 1.5);
}

const TEXTS = {
  int64: "1",
  uint64: "1",
  "date-time": "2026-01-31T12:00:00Z",
  date: "2026-01-31",
  time: "12:00:00",
  duration: "PT1H",
  uuid: "3fa85f64-5717-4562-b3fc-2c963f66afa6",
  email: "ada@example.org",
  uri: "https://example.org/",
  binary: "",
};

function exampleText(schema) {
  const text = TEXTS[schema.format] ?? "string";
  const padded = text.padEnd(Math.min(schema.minLength || 0, 200), "x");
  return schema.maxLength !== undefined ? padded.slice(0, schema.maxLength) : padded;
}
