// @ts-check
/**
 * Times, figures and transcripts as text. Pure.
 * @typedef {import("./state.js").Entry} Entry
 * @typedef {import("./state.js").TimedWord} TimedWord
 */

/** Confidence below which a word is marked, with the name of the mark. */
const MARKS = /** @type {const} */ ([[0.5, "low"], [0.8, "medium"], [Infinity, "high"]]);

/**
 * @param {number} confidence 0 to 1
 * @returns {"low" | "medium" | "high"}
 */
export function confidenceLevel(confidence) {
  return MARKS.find(([below]) => confidence < below)?.[1] ?? "low";
}

/**
 * Cut a text at its words, keeping all that stands between them.
 * @param {string} text
 * @param {TimedWord[]} words
 * @returns {{text: string, word: TimedWord | null}[]} one piece without a word if the words are not those of the text
 */
export function pieces(text, words) {
  const result = [];
  let at = 0;
  for (const word of words) {
    const found = text.indexOf(word.text, at);
    if (found < 0 || !word.text) return text ? [{ text, word: null }] : [];
    if (found > at) result.push({ text: text.slice(at, found), word: null });
    result.push({ text: word.text, word });
    at = found + word.text.length;
  }
  if (at < text.length) result.push({ text: text.slice(at), word: null });
  return result;
}

/**
 * @param {number} seconds
 * @returns {string} 0:05, 12:34, 1:02:03
 */
export function clockTime(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const padded = String(rest).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${padded}` : `${minutes}:${padded}`;
}

/**
 * @param {number | null} ms
 * @returns {string} with its unit; a dash where there is no value
 */
export function milliseconds(ms) {
  if (ms === null || !Number.isFinite(ms)) return "–";
  return ms < 9_950 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/**
 * @param {number} frames lookahead in encoder frames
 * @param {number} frameSeconds
 * @returns {string} the audio that one step waits for: the frame itself and its lookahead
 */
export function lookaheadLabel(frames, frameSeconds) {
  const ms = Math.round((frames + 1) * frameSeconds * 1000);
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/**
 * The finals as plain text, one utterance a line.
 * @param {Entry[]} entries
 */
export function toText(entries) {
  const lines = entries.filter((entry) => entry.kind === "utterance").map((entry) => entry.text);
  return lines.length ? `${lines.join("\n")}\n` : "";
}

/** Longest cue: what fits on two lines and stays readable (characters, s). */
const CUE_CHARACTERS = 84;
const CUE_SECONDS = 7;

/**
 * The finals as SubRip. Sources follow one another on one time line.
 * @param {Entry[]} entries
 */
export function toSrt(entries) {
  const cues = [];
  let offset = 0;
  let end = 0;
  for (const entry of entries) {
    if (entry.kind === "source") offset = end;
    if (entry.kind !== "utterance") continue;
    for (const cue of cuesOf(entry)) {
      end = Math.max(end, offset + cue.end);
      cues.push(`${cues.length + 1}\n${srtTime(offset + cue.start)} --> ${srtTime(offset + cue.end)}\n${cue.text}\n`);
    }
  }
  return cues.join("\n");
}

/**
 * @param {Extract<Entry, {kind: "utterance"}>} entry
 * @returns {{start: number, end: number, text: string}[]}
 */
function cuesOf(entry) {
  const parts = pieces(entry.text, entry.words);
  if (!entry.words.length || parts.every((part) => !part.word)) {
    return [{ start: entry.start, end: entry.end, text: entry.text }];
  }
  /** @type {{start: number, end: number, text: string}[]} */
  const cues = [];
  for (const { text, word } of parts) {
    const cue = cues[cues.length - 1];
    if (!word) {
      if (cue) cue.text += text;
      continue;
    }
    const full = cue && (cue.text.length + text.length > CUE_CHARACTERS || word.end - cue.start > CUE_SECONDS);
    if (!cue || full) cues.push({ start: word.start, end: word.end, text });
    else Object.assign(cue, { end: word.end, text: cue.text + text });
  }
  return cues.map((cue) => ({ ...cue, text: cue.text.trim() }));
}

/** @param {number} seconds */
function srtTime(seconds) {
  const ms = Math.max(0, Math.round(seconds * 1000));
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const clock = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60, Math.floor(ms / 1000) % 60].map(two).join(":");
  return `${clock},${String(ms % 1000).padStart(3, "0")}`;
}
