/** Small tools to build and change the page. Text of users enters it as text nodes only. */

/**
 * An element. A child that is a string becomes text, `null` and `false` nothing.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | ((event: any) => void)>} [attributes]
 *   functions listen to the event of that name; `true` sets an empty attribute, `false` none
 * @param {...(Node | string | null | false)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false) node.setAttribute(name, String(value));
  }
  for (const child of children) if (child !== null && child !== false) node.append(child);
  return node;
}

/** A picture of the sprite in index.html. @param {string} name @returns {SVGSVGElement} */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** What index.html has. @param {string} selector @param {ParentNode} [within] @returns {any} */
export function find(selector, within = document) {
  const found = within.querySelector(selector);
  if (!found) throw new Error(`index.html has no ${selector}`);
  return found;
}

/**
 * Calls that come together run once, before the next frame; in a hidden page, where there are no
 * frames, a little later.
 *
 * @param {() => void} run
 * @returns {() => void}
 */
export function batched(run) {
  let waiting = false;
  const now = () => {
    waiting = false;
    run();
  };
  return () => {
    if (waiting) return;
    waiting = true;
    if (document.hidden) setTimeout(now, 100);
    else requestAnimationFrame(now);
  };
}

/**
 * Make the children of a list those of `items`, moving and making as few as possible.
 *
 * @template Item
 * @param {HTMLElement} list
 * @param {Item[]} items
 * @param {(item: Item) => string} keyOf what an item is
 * @param {(item: Item) => string} lookOf how it looks: it is made anew when this changes
 * @param {(item: Item) => HTMLElement} make
 */
export function reconcile(list, items, keyOf, lookOf, make) {
  /** @type {Map<string, HTMLElement>} */
  const old = new Map();
  for (const child of /** @type {Iterable<HTMLElement>} */ (list.children)) old.set(child.dataset.key ?? "", child);
  const focused = list.contains(document.activeElement) ? document.activeElement?.closest("[data-key]") : null;
  const focusedKey = /** @type {HTMLElement | null} */ (focused)?.dataset.key;
  let place = /** @type {Element | null} */ (list.firstElementChild);
  for (const item of items) {
    const key = keyOf(item);
    const look = lookOf(item);
    let node = old.get(key);
    if (node && node.dataset.look === look) {
      old.delete(key);
    } else {
      node = make(item);
      node.dataset.key = key;
      node.dataset.look = look;
    }
    if (node === place) {
      place = place.nextElementSibling;
    } else {
      list.insertBefore(node, place);
    }
    if (key === focusedKey && !node.contains(document.activeElement)) {
      /** @type {HTMLElement} */ (node.matches("[tabindex],button,a") ? node : node.querySelector("a,button") ?? node).focus({ preventScroll: true });
    }
  }
  for (const node of old.values()) node.remove();
}

/** Say something to who does not see the page. @param {string} text */
export function announce(text) {
  find("#announcer").textContent = text;
}

/** What went wrong, as a sentence: the server's words begin small and have no stop. @param {unknown} error */
export function sentence(error) {
  const text = error instanceof Error ? error.message : String(error);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?…]$/u.test(text) ? "" : ".");
}

let hiding = 0;

/** Tell of something that went wrong, for some seconds. @param {unknown} error */
export function notice(error) {
  const node = find("#notice");
  node.textContent = sentence(error);
  node.hidden = false;
  clearTimeout(hiding);
  hiding = window.setTimeout(() => (node.hidden = true), 6000);
}
