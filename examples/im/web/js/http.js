/** The gateway's JSON routes. */

/** What the gateway refused, or could not answer: `status` is 0 when it was not reached. */
export class HttpError extends Error {
  /** @param {number} status @param {string} message @param {string} reason */
  constructor(status, message, reason = "") {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/**
 * Ask, and get what the JSON of the answer holds.
 *
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
async function ask(method, path, body, signal) {
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      credentials: "same-origin",
      headers: body ? { "content-type": "application/json" } : {},
      body: body && JSON.stringify(body),
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new HttpError(0, "The server cannot be reached.");
  }
  const text = await response.text();
  const answer = text && /json/u.test(response.headers.get("content-type") ?? "") ? JSON.parse(text) : {};
  if (!response.ok) {
    const told = answer.detail || answer.title || `The server answered ${response.status}.`;
    throw new HttpError(response.status, told, answer.reason ?? "");
  }
  return answer;
}

/** @param {Record<string, string | number>} values @returns {string} a query without empty values */
function query(values) {
  const filled = Object.entries(values).filter(([, value]) => value !== "" && value !== 0);
  return filled.length ? `?${new URLSearchParams(filled.map(([name, value]) => [name, String(value)]))}` : "";
}

/** @param {string} path @param {Record<string, string | number>} [values] @param {AbortSignal} [signal] */
export const get = (path, values = {}, signal) => ask("GET", path + query(values), undefined, signal);

/** @param {string} path @param {object} [body] */
export const post = (path, body = {}) => ask("POST", path, body);
