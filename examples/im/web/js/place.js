/** The address of what the screen shows: `#/12` is a conversation, `#/12/345` a message of it. */

/** @returns {{conversation: number, number: number}} zeros for none */
export function place() {
  const [, conversation, number] = /^#\/(\d+)(?:\/(\d+))?$/u.exec(location.hash) ?? [];
  return { conversation: Number(conversation ?? 0), number: Number(number ?? 0) };
}

/** @param {number} conversation @param {number} [number] */
export function visit(conversation, number = 0) {
  const hash = conversation ? `#/${conversation}${number ? `/${number}` : ""}` : "#/";
  // Going to where one is already still means: show it.
  if (location.hash === hash) dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = hash;
}
