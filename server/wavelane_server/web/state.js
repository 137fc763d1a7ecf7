// @ts-check
/**
 * What the page knows, as one value that changes only through `reduce`. Pure.
 *
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {import("./protocol.js").Word} Word
 * @typedef {import("./protocol.js").Model} Model
 * @typedef {import("./protocol.js").Config} Config
 *
 * @typedef {{text: string, start: number, end: number, confidence: number}} TimedWord  times in seconds of the source
 * @typedef {{kind: "source", label: string}
 *   | {kind: "utterance", text: string, words: TimedWord[], start: number, end: number, confirmed: boolean}
 *   | {kind: "gap", seconds: number}} Entry  a line of the transcript; they are only ever added, or all removed
 * @typedef {{text: string, stable: number, words: TimedWord[], start: number, stale: boolean}} Pending  text that may
 *   still change; `stale` when its connection is gone and its audio is being recognised again
 *
 * @typedef {"idle" | "connecting" | "running" | "waiting" | "finishing"} Phase  `waiting` for the next attempt to connect
 * Of the numbers, in seconds of the source: `origin` is where the current connection's audio began, `confirmedEnd` the end
 * of the last final, `resumeAt` what `confirmedEnd` was when the last connection broke, `speechEnd` where the detector
 * heard speech end.
 * @typedef {{
 *   phase: Phase, muted: boolean,
 *   source: {kind: "microphone" | "file", label: string} | null,
 *   model: Model | null, config: Config | null, clockRate: number,
 *   origin: number, confirmedEnd: number, resumeAt: number,
 *   entries: Entry[], pending: Readonly<Record<number, Pending>>, speaking: boolean,
 *   speechEnd: number | null,
 *   result: {kind: "partial" | "final", processed: number, speechEnd: number | null, lagMs: number} | null,
 *   retry: {at: number, reason: string} | null,
 *   notice: {level: "error" | "info", text: string, problem?: string} | null,
 * }} State  a notice about a `problem` of the audio goes when the problem does
 *
 * An interruption is `refused` when there was not even a handshake; `explained` follows with the reason, if it is found.
 * @typedef {{type: "started", source: {kind: "microphone" | "file", label: string}}
 *   | {type: "opening"}
 *   | {type: "message", message: Message, origin: number}
 *   | {type: "interrupted", retryAt: number, reason: string, refused: boolean}
 *   | {type: "explained", reason: string}
 *   | {type: "gap", seconds: number}
 *   | {type: "muted", muted: boolean}
 *   | {type: "finishing"}
 *   | {type: "stopped", error: string | null}
 *   | {type: "model", model: Model}
 *   | {type: "notice", level: "error" | "info", text: string}
 *   | {type: "dismissed"}
 *   | {type: "cleared"}} Action
 */

/** What to do about a problem of the audio.
 * @type {Record<string, string>} */
const PROBLEMS = {
  clipping: "The sound is too loud and distorted: turn the microphone down, or move away from it.",
  no_signal: "No sound arrives at all. Is the microphone switched off?",
  too_quiet: "The speech is very quiet: move closer to the microphone, or turn it up.",
};

/** @type {State} */
export const INITIAL = Object.freeze({
  phase: "idle",
  muted: false,
  source: null,
  model: null,
  config: null,
  clockRate: 16_000,
  origin: 0,
  confirmedEnd: 0,
  resumeAt: 0,
  entries: [],
  pending: {},
  speaking: false,
  speechEnd: null,
  result: null,
  retry: null,
  notice: null,
});

/**
 * @param {State} state
 * @param {Action} action
 * @returns {State}
 */
export function reduce(state, action) {
  switch (action.type) {
    case "started":
      return {
        ...state,
        phase: "connecting",
        muted: false,
        source: action.source,
        config: null,
        confirmedEnd: 0,
        resumeAt: 0,
        result: null,
        speechEnd: null,
        notice: null,
        entries: [...state.entries, { kind: "source", label: action.source.label }],
      };
    case "opening":
      return state.phase === "waiting" ? { ...state, phase: "connecting" } : state;
    case "message":
      return receive({ ...state, origin: action.origin }, action.message);
    case "interrupted":
      return {
        ...state,
        phase: state.phase === "finishing" ? "finishing" : "waiting",
        retry: { at: action.retryAt, reason: action.reason },
        speaking: false,
        pending: mapValues(state.pending, (pending) => ({ ...pending, stale: true })),
        resumeAt: state.confirmedEnd,
      };
    case "explained":
      return state.retry ? { ...state, retry: { ...state.retry, reason: action.reason } } : state;
    case "gap":
      // Some of the audio behind the pending text is gone, so it can't be recognised again: what was read stays.
      return { ...keepPending(state), entries: [...keepPending(state).entries, { kind: "gap", seconds: action.seconds }] };
    case "muted":
      return { ...state, muted: action.muted };
    case "finishing":
      return { ...state, phase: "finishing" };
    case "stopped":
      return {
        ...keepPending(state),
        phase: "idle",
        source: null,
        muted: false,
        speaking: false,
        retry: null,
        notice: action.error ? { level: "error", text: action.error } : state.notice,
      };
    case "model":
      return { ...state, model: action.model };
    case "notice":
      return { ...state, notice: { level: action.level, text: action.text } };
    case "dismissed":
      return { ...state, notice: null };
    case "cleared":
      return { ...state, entries: [], pending: {}, result: null };
  }
}

/**
 * @param {State} state
 * @param {Message} message
 * @returns {State}
 */
function receive(state, message) {
  const seconds = (/** @type {number} */ at) => state.origin + at / state.clockRate;
  switch (message.type) {
    case "ready": {
      const phase = state.phase === "finishing" ? "finishing" : "running";
      return { ...state, phase, retry: null, model: message.model, config: message.config, clockRate: message.clock_rate };
    }
    case "configured":
      return { ...state, config: message.config };
    case "speech_started":
      return { ...state, speaking: true, speechEnd: null };
    case "speech_stopped":
      return { ...state, speaking: false, speechEnd: seconds(message.at) };
    case "partial": {
      // A file is sent again from its start after an interruption: what is already final comes once more.
      if (seconds(message.processed) <= state.resumeAt || seconds(message.start) < state.resumeAt - 0.05) return state;
      const pending = {
        text: message.text,
        stable: message.stable,
        words: timed(message.words, seconds),
        start: seconds(message.start),
        stale: false,
      };
      return {
        ...state,
        pending: { ...state.pending, [message.channel]: pending },
        result: { kind: "partial", processed: seconds(message.processed), speechEnd: null, lagMs: message.lag_ms },
      };
    }
    case "final": {
      if (seconds(message.end) <= state.resumeAt) return state;
      const { [message.channel]: _, ...pending } = state.pending;
      const best = message.alternatives[0];
      const utterance = /** @type {const} */ ({
        kind: "utterance",
        text: best.text,
        words: timed(best.words, seconds),
        start: seconds(message.start),
        end: seconds(message.end),
        confirmed: true,
      });
      return {
        ...state,
        pending,
        confirmedEnd: seconds(message.end),
        entries: best.text ? [...state.entries, utterance] : state.entries,
        result: {
          kind: "final",
          processed: seconds(message.processed),
          speechEnd: best.text ? (state.speechEnd ?? seconds(message.end)) : null,
          lagMs: message.lag_ms,
        },
      };
    }
    case "audio_issue": {
      const text = PROBLEMS[message.problem];
      if (!message.active) return state.notice?.problem === message.problem ? { ...state, notice: null } : state;
      if (!text || state.notice?.level === "error") return state;
      return { ...state, notice: { level: "info", text, problem: message.problem } };
    }
    case "error":
      return message.fatal ? state : { ...state, notice: { level: "error", text: message.message } };
    default:
      return state;
  }
}

/**
 * Text whose final will never come becomes a line of its own, marked as unconfirmed: words on the page stay.
 * @param {State} state
 * @returns {State}
 */
function keepPending(state) {
  const kept = Object.values(state.pending)
    .filter((pending) => pending.text)
    .map(({ text, words, start }) => {
      const end = words.length ? words[words.length - 1].end : start;
      return /** @type {const} */ ({ kind: "utterance", text, words, start, end, confirmed: false });
    });
  return { ...state, pending: {}, entries: [...state.entries, ...kept] };
}

/**
 * @param {Word[]} words
 * @param {(at: number) => number} seconds
 * @returns {TimedWord[]}
 */
const timed = (words, seconds) =>
  words.map(({ text, start, end, confidence }) => ({ text, confidence, start: seconds(start), end: seconds(end) }));

/**
 * @template A, B
 * @param {Readonly<Record<number, A>>} record
 * @param {(value: A) => B} change
 * @returns {Record<number, B>}
 */
const mapValues = (record, change) => Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
