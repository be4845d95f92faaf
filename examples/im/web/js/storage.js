/** The browser's storage under our prefix. Where it is forbidden or full, a page keeps working and
 * forgets: nothing here raises. */

const PREFIX = "halyard.";

/** @param {string} key @returns {string | null} */
export function recall(key) {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

/** Keep a text, or forget it when it is empty. @param {string} key @param {string} text */
export function keep(key, text) {
  try {
    if (text) localStorage.setItem(PREFIX + key, text);
    else localStorage.removeItem(PREFIX + key);
  } catch {
    // Full or forbidden: see above.
  }
}

/** All keys that begin so, without our prefix. @param {string} beginning @returns {string[]} */
export function keysOf(beginning) {
  try {
    return Object.keys(localStorage)
      .filter((key) => key.startsWith(PREFIX + beginning))
      .map((key) => key.slice(PREFIX.length));
  } catch {
    return [];
  }
}
