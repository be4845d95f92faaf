/** Text of users, made into nodes: links can be clicked, words that were searched for are marked. */

import { el } from "./dom.js";

const LINK = /\bhttps?:\/\/[^\s<>"'`]+/giu;
const AFTER = ".,;:!?…";
/** Characters of a link, at most: nobody types a longer one, and nobody waits for it. */
const LONGEST = 2048;

/**
 * Split text at its links. A full stop after a link is none of it, nor is a bracket that was opened
 * before.
 *
 * @param {string} text
 * @returns {{text: string, link: boolean}[]}
 */
export function parts(text) {
  /** @type {{text: string, link: boolean}[]} */
  const found = [];
  let at = 0;
  for (const match of text.matchAll(LINK)) {
    const link = match[0].slice(0, end(match[0]));
    if (link.length > LONGEST || !URL.canParse(link)) continue;
    if (match.index > at) found.push({ text: text.slice(at, match.index), link: false });
    found.push({ text: link, link: true });
    at = match.index + link.length;
  }
  if (at < text.length) found.push({ text: text.slice(at), link: false });
  return found;
}

/** Where a link ends that somebody wrote into a sentence. @param {string} link @returns {number} */
function end(link) {
  let open = 0;
  for (const letter of link) open += "([{".includes(letter) ? 1 : ")]}".includes(letter) ? -1 : 0;
  let at = link.length;
  for (; at > 0; at -= 1) {
    const letter = link[at - 1];
    if (AFTER.includes(letter)) continue;
    if (open >= 0 || !")]}".includes(letter)) break;
    open += 1;
  }
  return at;
}

/** The text as nodes, with its links. @param {string} text @returns {(Node | string)[]} */
export function linked(text) {
  return parts(text).map((part) =>
    part.link ? el("a", { href: part.text, target: "_blank", rel: "noopener noreferrer nofollow" }, part.text) : part.text,
  );
}

/**
 * A piece of the text around the first of the words, with all of them marked.
 *
 * @param {string} text
 * @param {string} words
 * @returns {(Node | string)[]}
 */
export function marked(text, words) {
  const wanted = words.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  if (!wanted.length) return [text.slice(0, 200)];
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${wanted.join("|")})`, "giu");
  const first = text.search(pattern);
  // A little before the word, where a word begins.
  const from = first > 40 ? Math.max(text.lastIndexOf(" ", first - 20) + 1, first - 60) : 0;
  const piece = (from ? "…" : "") + text.slice(from, from + 240).replace(/\s+/gu, " ");
  /** @type {(Node | string)[]} */
  const nodes = [];
  let at = 0;
  for (const match of piece.matchAll(pattern)) {
    nodes.push(piece.slice(at, match.index), el("mark", {}, match[0]));
    at = match.index + match[0].length;
  }
  nodes.push(piece.slice(at));
  return nodes;
}

/** Up to two letters that stand for a name. @param {string} name @returns {string} */
export function initials(name) {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]].map((word) => [...word][0]) : [...(words[0] ?? "?")].slice(0, 1);
  return letters.join("").toUpperCase();
}

/** A number of things. @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
