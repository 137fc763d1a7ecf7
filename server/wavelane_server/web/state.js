// @ts-check
/**
 * What the page knows, as one value that changes only through `reduce`. Pure.
 *
 * @typedef {import("./client/index.js").StreamEvent} StreamEvent
 * @typedef {import("./client/index.js").Word} Word
 * @typedef {import("./client/index.js").ModelInfo} Model
 * @typedef {import("./client/index.js").Config} Config
 *
 * @typedef {{text: string, start: number, end: number, confidence: number}} TimedWord  times in seconds of the source
 * @typedef {{kind: "source", label: string}
 *   | {kind: "utterance", text: string, words: TimedWord[], start: number, end: number, confirmed: boolean}
 *   | {kind: "gap", seconds: number}} Entry  a line of the transcript; they are only ever added, or all removed
 * @typedef {{text: string, stable: number, words: TimedWord[], start: number, stale: boolean}} Pending  text that may
 *   still change; `stale` when its connection is gone and its audio is being recognised again
 *
 * @typedef {"idle" | "connecting" | "running" | "waiting" | "finishing"} Phase  `waiting` for the next attempt to connect
 * @typedef {{
 *   phase: Phase, muted: boolean,
 *   source: {kind: "microphone" | "file", label: string} | null,
 *   model: Model | null, config: Config | null, clockRate: number, locked: boolean,
 *   entries: Entry[], pending: Readonly<Record<number, Pending>>, speaking: boolean,
 *   speechEnd: number | null,
 *   result: {kind: "partial" | "final", processed: number, speechEnd: number | null, lagMs: number} | null,
 *   retry: {at: number, reason: string} | null,
 *   notice: {level: "error" | "info", text: string, problem?: string} | null,
 * }} State  a notice about a `problem` of the audio goes when the problem does; `speechEnd` (s) is where the detector heard
 *   speech end; the server is `locked` when it wants an API key that the page has not
 *
 * @typedef {{type: "started", source: {kind: "microphone" | "file", label: string}}
 *   | {type: "event", event: StreamEvent, now: number}
 *   | {type: "muted", muted: boolean}
 *   | {type: "finishing"}
 *   | {type: "stopped", error: {code: string, message: string} | null}
 *   | {type: "model", model: Model}
 *   | {type: "locked"}
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
  locked: false,
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
        result: null,
        speechEnd: null,
        notice: null,
        entries: [...state.entries, { kind: "source", label: action.source.label }],
      };
    case "event":
      return receive(state, action.event, action.now);
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
        locked: action.error?.code === "unauthenticated",
        notice: action.error ? { level: "error", text: action.error.message } : state.notice,
      };
    case "model":
      return { ...state, model: action.model, locked: false };
    case "locked":
      return { ...state, locked: true };
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
 * @param {StreamEvent} event
 * @param {number} now ms
 * @returns {State}
 */
function receive(state, event, now) {
  const seconds = (/** @type {number} */ at) => at / state.clockRate;
  switch (event.type) {
    case "connecting":
      return state.phase === "waiting" ? { ...state, phase: "connecting" } : state;
    case "interrupted":
      return {
        ...state,
        phase: state.phase === "finishing" ? "finishing" : "waiting",
        retry: { at: now + event.retry_ms, reason: event.error.message },
        speaking: false,
        pending: mapValues(state.pending, (pending) => ({ ...pending, stale: true })),
      };
    case "gap": {
      // Some of the audio behind the pending text is gone, so it can't be recognised again: what was read stays.
      const kept = keepPending(state);
      return { ...kept, entries: [...kept.entries, { kind: "gap", seconds: seconds(event.end - event.start) }] };
    }
    case "ready": {
      const phase = state.phase === "finishing" ? "finishing" : "running";
      return { ...state, phase, retry: null, model: event.model, config: event.config, clockRate: event.clock_rate };
    }
    case "configured":
      return { ...state, config: event.config };
    case "speech_started":
      return { ...state, speaking: true, speechEnd: null };
    case "speech_stopped":
      return { ...state, speaking: false, speechEnd: seconds(event.at) };
    case "partial": {
      const pending = {
        text: event.text,
        stable: event.stable,
        words: timed(event.words, seconds),
        start: seconds(event.start),
        stale: false,
      };
      return {
        ...state,
        pending: { ...state.pending, [event.channel]: pending },
        result: { kind: "partial", processed: seconds(event.processed), speechEnd: null, lagMs: event.lag_ms },
      };
    }
    case "final": {
      const { [event.channel]: _, ...pending } = state.pending;
      const best = event.alternatives[0];
      const utterance = /** @type {const} */ ({
        kind: "utterance",
        text: best.text,
        words: timed(best.words, seconds),
        start: seconds(event.start),
        end: seconds(event.end),
        confirmed: true,
      });
      return {
        ...state,
        pending,
        entries: best.text ? [...state.entries, utterance] : state.entries,
        result: {
          kind: "final",
          processed: seconds(event.processed),
          speechEnd: best.text ? (state.speechEnd ?? seconds(event.end)) : null,
          lagMs: event.lag_ms,
        },
      };
    }
    case "audio_issue": {
      const text = PROBLEMS[event.problem];
      if (!event.active) return state.notice?.problem === event.problem ? { ...state, notice: null } : state;
      if (!text || state.notice?.level === "error") return state;
      return { ...state, notice: { level: "info", text, problem: event.problem } };
    }
    case "error":
      return event.fatal ? state : { ...state, notice: { level: "error", text: event.message } };
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
