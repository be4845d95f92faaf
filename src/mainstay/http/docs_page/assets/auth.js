// Credentials for trying operations out. They stay in this page's memory and are gone with it.

import { h, say } from "./dom.js";

const kept = new Map();
let schemes = {};

export function useSchemes(found) {
  schemes = found || {};
  const button = document.getElementById("authorize");
  button.hidden = !Object.keys(schemes).length;
  button.addEventListener("click", ask);
}

function ask() {
  const forms = Object.entries(schemes).map(([name, scheme]) => fieldset(name, scheme));
  const dialog = h("dialog", { "aria-labelledby": "authorize-title" },
    h("form", { method: "dialog" },
      h("h2", { id: "authorize-title" }, "Authorize"),
      h("p", { class: "note" }, "Sent with requests that need it. Kept in this page only, until it is closed."),
      forms.map((each) => each.made),
      h("div", { class: "actions" },
        h("button", { class: "main", value: "use" }, "Use"),
        h("button", { class: "quiet", value: "forget" }, "Forget all"),
        h("button", { class: "quiet", value: "cancel", formnovalidate: true }, "Cancel"))));
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "use") forms.forEach((each) => each.keep());
    if (dialog.returnValue === "forget") kept.clear();
    const button = document.getElementById("authorize");
    button.textContent = kept.size ? "Authorized" : "Authorize";
    button.classList.toggle("on", kept.size > 0);
    say(kept.size ? "Credentials are set" : "No credentials are set");
    dialog.remove();
    button.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function fieldset(name, scheme) {
  const inputs = {};
  const field = (key, label, type) => {
    inputs[key] = h("input", { id: `auth-${name}-${key}`, type, autocomplete: "off", value: (kept.get(name) || {})[key] || "" });
    return h("div", { class: "field" }, h("label", { for: inputs[key].id }, label), inputs[key]);
  };
  const basic = scheme.type === "http" && scheme.scheme === "basic";
  const made = h("fieldset", {}, h("legend", {}, name),
    scheme.description && h("p", { class: "note" }, scheme.description),
    basic ? [field("user", "User", "text"), field("password", "Password", "password")]
      : field("token", scheme.type === "apiKey" ? `${scheme.name} (${scheme.in})` : "Token", "password"));
  const keep = () => {
    const values = Object.fromEntries(Object.entries(inputs).map(([key, input]) => [key, input.value]));
    if (Object.values(values).some(Boolean)) kept.set(name, values);
    else kept.delete(name);
  };
  return { made, keep };
}

// Adds credentials to a request for an operation with these requirements; the first that is met.
export function authorize(requirements, headers, query) {
  const chosen = (requirements || []).find((each) => Object.keys(each).every((name) => kept.has(name)));
  for (const name of Object.keys(chosen || {})) {
    const scheme = schemes[name] || {};
    const values = kept.get(name);
    if (scheme.type === "http" && scheme.scheme === "basic") {
      const bytes = new TextEncoder().encode(`${values.user}:${values.password}`);
      headers.push(["authorization", `Basic ${btoa(String.fromCharCode(...bytes))}`]);
    } else if (scheme.type === "apiKey" && scheme.in === "query") query.push([scheme.name, values.token]);
    else if (scheme.type === "apiKey" && scheme.in === "header") headers.push([scheme.name, values.token]);
    else if (scheme.type !== "apiKey") headers.push(["authorization", `Bearer ${values.token}`]);
  }
}
