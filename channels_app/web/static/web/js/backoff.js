/** Decide when, and whether, to come back to the server. Pure: no clock, no socket. */

export const BASE_MS = 500;
export const CAP_MS = 30000;

/** Close codes of the wire contract after which coming back cannot help. */
const FINAL_CODES = new Set([4000, 4401, 4403, 4409, 4413]);

/**
 * Return the next delay by decorrelated jitter: between `BASE_MS` and three times the last one.
 *
 * Clients that were cut together spread out instead of returning together.
 * `random` is a number in [0, 1).
 */
export function nextDelay(lastMs, random) {
  const upper = Math.min(CAP_MS, Math.max(BASE_MS, lastMs * 3));
  return Math.round(BASE_MS + (upper - BASE_MS) * random);
}

/**
 * Say what to do after a close: `{reconnect, delayMs, freshToken}`.
 *
 * `bye` is the server's last word, if it had one; it wins over the code, and its
 * `retry_after_ms` is a floor under the jittered delay.
 */
export function afterClose({ code, bye, lastMs, random }) {
  const reconnect = bye ? bye.reconnect !== false : !FINAL_CODES.has(code);
  const floor = bye?.retry_after_ms ?? 0;
  return {
    reconnect,
    delayMs: Math.max(floor, nextDelay(lastMs, random)),
    freshToken: code === 4402 || bye?.code === 4402,
  };
}
