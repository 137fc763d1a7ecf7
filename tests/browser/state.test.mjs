import assert from "node:assert/strict";
import { test } from "node:test";
import { INITIAL, reduce } from "../../server/wavelane_server/web/state.js";

const MODEL = { name: "m", languages: ["en"], lookaheads: [6, 0], default_lookahead: 6, head: "ctc" };
const word = (text, start, end) => ({ text, start, end, confidence: 0.9 });
const ready = { type: "ready", session: "s", clock_rate: 16000, config: { encoding: "linear16", sample_rate: 48000 }, model: MODEL };
const partial = (text, start, processed, channel = 0) => ({
  type: "partial", channel, utterance: 0, text, stable: 0, words: [word(text, start, processed)], start, processed, lag_ms: 80,
});
const final = (text, start, end, channel = 0) => ({
  type: "final", channel, utterance: 0, alternatives: [{ text, confidence: 0.9, words: text ? [word(text, start, end)] : [] }],
  start, end, processed: end, lag_ms: 40, reason: "silence",
});
const started = { type: "started", source: { kind: "microphone", label: "Microphone" } };
const interrupted = { type: "interrupted", retryAt: 5, reason: "gone", refused: false };

/** Runs actions; a plain server message stands for one with the origin before it. */
function run(...actions) {
  let origin = 0;
  return actions.reduce((state, action) => {
    if (typeof action === "number") {
      origin = action;
      return state;
    }
    const wire = !["started", "interrupted", "gap", "finishing", "stopped", "cleared", "opening", "muted", "explained"].includes(action.type);
    return reduce(state, wire ? { type: "message", message: action, origin } : action);
  }, INITIAL);
}
const texts = (state) => state.entries.filter((entry) => entry.kind === "utterance").map((entry) => entry.text);
const pending = (state) => Object.values(state.pending).map((entry) => entry.text);

test("partials replace one another and a final takes their place", () => {
  const before = run(started, ready, partial("he", 1600, 8000), partial("hello", 1600, 16000));
  assert.deepEqual(pending(before), ["hello"]);
  assert.deepEqual(before.result, { kind: "partial", processed: 1, speechEnd: null, lagMs: 80 });
  const after = reduce(before, { type: "message", message: final("hello", 1600, 24000), origin: 0 });
  assert.deepEqual([pending(after), texts(after)], [[], ["hello"]]);
  assert.deepEqual(after.entries.at(-1).words[0], { text: "hello", confidence: 0.9, start: 0.1, end: 1.5 });
});

test("an empty final leaves no line but ends the partial", () => {
  const state = run(started, ready, partial("h", 0, 800), final("", 0, 1600));
  assert.deepEqual([pending(state), texts(state)], [[], []]);
});

test("channels have partials of their own", () => {
  const state = run(started, ready, partial("left", 0, 800, 0), partial("right", 0, 800, 1), final("left", 0, 1600, 0));
  assert.deepEqual([pending(state), texts(state)], [["right"], ["left"]]);
});

test("times of a later connection count from where its audio began", () => {
  const state = run(started, ready, final("one", 0, 16000), interrupted, 1, ready, final("two", 0, 16000));
  assert.deepEqual(state.entries.slice(1).map((entry) => [entry.start, entry.end]), [[0, 1], [1, 2]]);
});

test("an interrupted partial stays until its audio is recognised again", () => {
  const broken = run(started, ready, partial("hel", 0, 8000), interrupted);
  assert.equal(broken.phase, "waiting");
  assert.deepEqual(Object.values(broken.pending)[0].stale, true);
  const again = [ready, partial("hello", 0, 16000)].reduce((state, message) => reduce(state, { type: "message", message, origin: 0 }), broken);
  assert.equal(again.retry, null);
  assert.deepEqual([pending(again), Object.values(again.pending)[0].stale], [["hello"], false]);
});

test("a file that is sent again does not show its finals twice", () => {
  const first = [started, ready, final("one", 0, 16000), partial("tw", 16000, 20000), interrupted];
  const again = [ready, partial("on", 0, 8000), final("one", 0, 16000), partial("two", 16000, 24000), final("two", 16000, 32000)];
  assert.deepEqual(texts(run(...first, ...again)), ["one", "two"]);
  assert.deepEqual(pending(run(...first, ...again.slice(0, 2))), ["tw"], "nor does it go back behind what was read");
});

test("text whose final can't come any more is kept and marked", () => {
  const gap = run(started, ready, partial("half", 0, 8000), interrupted, { type: "gap", seconds: 3 });
  assert.deepEqual(gap.entries.slice(1).map((entry) => entry.kind), ["utterance", "gap"]);
  assert.equal(gap.entries[1].confirmed, false);
  const stopped = run(started, ready, partial("half", 0, 8000), { type: "stopped", error: "no server" });
  assert.deepEqual([texts(stopped), stopped.phase, stopped.notice.text], [["half"], "idle", "no server"]);
});

test("the end of speech is what a final's delay is measured from", () => {
  const speech = [started, ready, { type: "speech_started", channel: 0, at: 0 }, { type: "speech_stopped", channel: 0, at: 8000 }];
  assert.equal(run(...speech).speaking, false);
  assert.equal(run(...speech, final("one", 0, 12000)).result.speechEnd, 0.5);
  assert.equal(run(started, ready, final("one", 0, 12000)).result.speechEnd, 0.75);
});

test("stopping while reconnecting goes on finishing, and clearing keeps the session", () => {
  const state = run(started, ready, { type: "finishing" }, interrupted, ready);
  assert.equal(state.phase, "finishing");
  const cleared = run(started, ready, final("one", 0, 16000), { type: "cleared" }, final("two", 16000, 32000));
  assert.deepEqual([texts(cleared), cleared.phase], [["two"], "running"]);
});

test("a refusal that is not fatal is shown and changes nothing else", () => {
  const error = { type: "error", code: "invalid_config", message: "no", fatal: false };
  const state = run(started, ready, error);
  assert.deepEqual([state.notice, state.phase], [{ level: "error", text: "no" }, "running"]);
});

test("a problem of the audio is told until it is over, and never in place of an error", () => {
  const issue = (problem, active) => ({ type: "audio_issue", channel: 0, at: 48000, problem, active, level_dbfs: -60, clipped: 0 });
  const muted = run(started, ready, issue("no_signal", true));
  assert.match(muted.notice.text, /No sound arrives/);
  const heard = (state, message) => reduce(state, { type: "message", message, origin: 0 });
  assert.equal(heard(muted, issue("clipping", false)).notice, muted.notice);
  assert.equal(heard(muted, issue("no_signal", false)).notice, null);
  assert.equal(heard(muted, issue("of_a_later_version", true)).notice, muted.notice);
  const failed = run(started, ready, { type: "error", code: "invalid_config", message: "no", fatal: false });
  assert.equal(heard(failed, issue("clipping", true)).notice.text, "no");
});
