// @ts-check
/**
 * What is known of the server's model before a session tells it. Pure.
 * @typedef {import("./client/index.js").ModelInfo} Model
 */

/** Seconds of audio that one encoder frame covers; a lookahead of L waits for L frames after the one it recognises. */
export const FRAME_SECONDS = 0.08;

/**
 * The model that a server offers, from the answer of `/v1/models`.
 * @param {unknown} answer
 * @returns {Model | null}
 */
export function modelOf(answer) {
  const list = answer && typeof answer === "object" && "data" in answer ? answer.data : null;
  const first = Array.isArray(list) ? list[0] : null;
  if (!first || !Array.isArray(first.lookaheads) || !Array.isArray(first.languages)) return null;
  return { ...first, name: first.name ?? first.id };
}
