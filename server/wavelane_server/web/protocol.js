// @ts-check
/**
 * The native protocol, version 1, as the page speaks it: messages out, messages in, and what a failure means.
 * Pure: no DOM, no socket, no clock. All times in messages are samples at `clock_rate`.
 *
 * @typedef {{text: string, start: number, end: number, confidence: number}} Word
 * @typedef {{text: string, confidence: number, words: Word[], score: number | null}} Alternative
 * @typedef {{name: string, languages: string[], lookaheads: number[], default_lookahead: number, head: string}} Model
 * @typedef {{encoding: string, sample_rate: number, language: string | null, lookahead: number | "auto", vad: {kind: string},
 *   [key: string]: unknown}} Config  the effective configuration
 *
 * @typedef {{type: "ready", session: string, clock_rate: number, config: Config, model: Model}} Ready
 * @typedef {{type: "configured", config: Config}} Configured
 * @typedef {{type: "speech_started", channel: number, at: number}} SpeechStarted
 * @typedef {{type: "speech_stopped", channel: number, at: number}} SpeechStopped
 * @typedef {{type: "partial", channel: number, utterance: number, text: string, stable: number, words: Word[],
 *   start: number, processed: number, lag_ms: number}} Partial
 * @typedef {{type: "endpoint", channel: number, utterance: number, at: number, reason: string}} Endpoint
 * @typedef {{type: "final", channel: number, utterance: number, alternatives: Alternative[], start: number, end: number,
 *   processed: number, lag_ms: number, reason: string}} Final
 * @typedef {{type: "audio_issue", channel: number, at: number, problem: string, active: boolean, level_dbfs: number,
 *   clipped: number}} AudioIssue
 * @typedef {{type: "flushed", at: number}} Flushed
 * @typedef {{type: "error", code: string, message: string, fatal: boolean}} Failure
 * @typedef {{type: "closed", received: number}} Closed
 * @typedef {Ready | Configured | SpeechStarted | SpeechStopped | Partial | Endpoint | Final | AudioIssue | Flushed
 *   | Failure | Closed} Message
 */

/** Seconds of audio that one encoder frame covers; a lookahead of L waits for L frames after the one it recognises. */
export const FRAME_SECONDS = 0.08;

/**
 * The first message of a session.
 * @param {Record<string, unknown>} options fields of the session's options; null and undefined are left to the server
 */
export function configure(options) {
  const given = Object.entries(options).filter(([, value]) => value !== null && value !== undefined);
  return JSON.stringify({ type: "configure", ...Object.fromEntries(given) });
}

/**
 * A change while the session runs. Without changes it asks for the configuration in force, which every server answers:
 * the only way for a page to find out that a connection is dead.
 * @param {Record<string, unknown>} [changes]
 */
export const reconfigure = (changes = {}) => JSON.stringify({ type: "reconfigure", ...changes });

export const FLUSH = JSON.stringify({ type: "flush" });
export const END = JSON.stringify({ type: "end" });
export const KEEPALIVE = JSON.stringify({ type: "keepalive" });

/** Fields that must be there, with their JSON type, for each message that the page uses. */
const FIELDS = {
  ready: { clock_rate: "number", config: "object", model: "object" },
  configured: { config: "object" },
  speech_started: { at: "number" },
  speech_stopped: { at: "number" },
  partial: { channel: "number", text: "string", stable: "number", words: "object", start: "number", processed: "number" },
  endpoint: { at: "number" },
  final: { channel: "number", alternatives: "object", start: "number", end: "number", processed: "number" },
  audio_issue: { problem: "string", active: "boolean" },
  flushed: { at: "number" },
  error: { code: "string", message: "string", fatal: "boolean" },
  closed: { received: "number" },
};

/** The server said something that is not the protocol. */
export class ProtocolError extends Error {}

/**
 * Read one text message of the server.
 * @param {unknown} data
 * @returns {Message | null} null for a type of a later version, which is to be ignored
 * @throws {ProtocolError} not JSON, or a field is missing
 */
export function parse(data) {
  let value;
  try {
    value = JSON.parse(String(data));
  } catch {
    throw new ProtocolError("The server sent a message that is not JSON: is this address a Wavelane server?");
  }
  if (value === null || typeof value !== "object" || typeof value.type !== "string") {
    throw new ProtocolError("The server sent a message without a type: is this address a Wavelane server?");
  }
  if (!Object.hasOwn(FIELDS, value.type)) return null;
  const fields = FIELDS[/** @type {keyof typeof FIELDS} */ (value.type)];
  for (const [name, kind] of Object.entries(fields)) {
    if (typeof value[name] !== kind || value[name] === null) {
      throw new ProtocolError(`The server sent “${value.type}” without a valid “${name}”: page and server do not match.`);
    }
  }
  if (value.type === "final" && !(value.alternatives[0] && typeof value.alternatives[0].text === "string")) {
    throw new ProtocolError("The server sent a final without a text: page and server do not match.");
  }
  return value;
}

/** Errors that the same request would meet again, so that trying again is pointless. */
const PERMANENT = new Set([
  "invalid_message", "invalid_config", "invalid_audio", "message_too_big", "model_not_found", "model_unsupported",
]);
/** The close codes of those errors, for a connection that broke before the error could be read. */
const PERMANENT_CLOSE = new Set([1009, 4400, 4404, 4422]);

/**
 * What the end of a connection means to the user.
 * @param {number} closeCode as in the WebSocket's close event
 * @param {Failure | null} failure the last fatal error that the server sent on this connection
 * @param {boolean} wasReady whether the session had begun
 * @returns {{retry: boolean, reason: string}} a sentence, and whether a new connection may help
 */
export function explainClose(closeCode, failure, wasReady) {
  if (failure) return { retry: !PERMANENT.has(failure.code), reason: sentence(failure.message) };
  if (PERMANENT_CLOSE.has(closeCode)) return { retry: false, reason: `The server refused the session (code ${closeCode}).` };
  if (closeCode === 1012) return { retry: true, reason: "The server is restarting." };
  if (closeCode === 1013) return { retry: true, reason: "The server is full." };
  return { retry: true, reason: wasReady ? "The connection was lost." : "The server does not answer." };
}

/**
 * Why a server refused the handshake, which browsers keep from pages, from its answer about readiness.
 * @param {number} status of `/readyz`
 * @param {unknown} answer
 */
export function explainRefusal(status, answer) {
  if (status === 200) return "The server takes no more sessions just now.";
  const reason = answer && typeof answer === "object" && "reason" in answer ? answer.reason : null;
  return typeof reason === "string" ? `The server is not ready: ${sentence(reason)}` : "The server is not ready.";
}

/** @param {string} text */
export function sentence(text) {
  const trimmed = text.trim();
  const first = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/**
 * Waiting time before a new attempt: doubles from 0.5 s to 8 s, spread by ±25 % so that the pages of a server that
 * came back do not all knock at once.
 * @param {number} attempt from 0
 * @param {number} random in [0, 1)
 * @returns {number} ms
 */
export const backoff = (attempt, random) => Math.min(8000, 500 * 2 ** Math.min(attempt, 10)) * (0.75 + 0.5 * random);

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
