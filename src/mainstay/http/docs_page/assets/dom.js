// Small helpers. Text of the document only ever becomes text nodes, never markup.

export function h(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false));
  return made;
}

export function say(text) {
  document.getElementById("said").textContent = text;
}

export async function copy(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Cannot copy here";
  }
  say(button.textContent);
  setTimeout(() => (button.textContent = before), 1500);
}

// The CommonMark that docstrings have: paragraphs, lists, fenced and inline code, bold, links.
export function prose(text) {
  const blocks = [];
  let fence = null;
  let lines = [];
  const flush = () => {
    if (lines.length) blocks.push(block(lines));
    lines = [];
  };
  for (const line of text.split("\n")) {
    if (fence !== null) {
      if (line.trim().startsWith("```")) {
        blocks.push(h("pre", {}, h("code", {}, fence.join("\n"))));
        fence = null;
      } else fence.push(line);
    } else if (line.trim().startsWith("```")) {
      flush();
      fence = [];
    } else if (!line.trim()) flush();
    else lines.push(line);
  }
  if (fence) blocks.push(h("pre", {}, h("code", {}, fence.join("\n"))));
  flush();
  return h("div", { class: "prose" }, blocks);
}

function block(lines) {
  if (lines.every((line) => /^\s*([-*]|\d+\.)\s/.test(line) || /^\s{2,}/.test(line))) {
    const items = [];
    for (const line of lines) {
      const item = line.match(/^\s*(?:[-*]|\d+\.)\s+(.*)$/);
      if (item) items.push(item[1]);
      else if (items.length) items[items.length - 1] += ` ${line.trim()}`;
    }
    if (items.length) return h("ul", {}, items.map((item) => h("li", {}, inline(item))));
  }
  return h("p", {}, inline(lines.join(" ")));
}

function inline(text) {
  const pattern = /``([^`]+)``|`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(pattern)) {
    parts.push(text.slice(end, found.index));
    if (found[1] || found[2]) parts.push(h("code", {}, found[1] || found[2]));
    else if (found[3]) parts.push(h("strong", {}, found[3]));
    else parts.push(h("a", { href: found[5], rel: "noopener noreferrer" }, found[4]));
    end = found.index + found[0].length;
  }
  parts.push(text.slice(end));
  return parts;
}
