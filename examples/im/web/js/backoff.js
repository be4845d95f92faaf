/** How long to wait before the next attempt. */

const FIRST = 0.5;
const LONGEST = 20;

/**
 * Half of the wait is certain, half by chance: clients that lost the same server do not come back in
 * one wave, and none comes back at once.
 *
 * @param {number} attempt from 0
 * @param {() => number} [random]
 * @returns {number} seconds
 */
export function waitBefore(attempt, random = Math.random) {
  const longest = Math.min(LONGEST, FIRST * 2 ** Math.min(attempt, 10));
  return longest / 2 + (random() * longest) / 2;
}
