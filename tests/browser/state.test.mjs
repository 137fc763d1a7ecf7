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
const interrupted = { type: "interrupted", error: new Error("gone"), retry_ms: 5 };
const heard = (state, event) => reduce(state, { type: "event", event, now: 100 });

/** Runs actions and events. */
function run(...actions) {
  const own = ["started", "finishing", "stopped", "cleared", "muted"];
  return actions.reduce((state, action) => (own.includes(action.type) ? reduce(state, action) : heard(state, action)), INITIAL);
}
const texts = (state) => state.entries.filter((entry) => entry.kind === "utterance").map((entry) => entry.text);
const pending = (state) => Object.values(state.pending).map((entry) => entry.text);

test("partials replace one another and a final takes their place", () => {
  const before = run(started, ready, partial("he", 1600, 8000), partial("hello", 1600, 16000));
  assert.deepEqual(pending(before), ["hello"]);
  assert.deepEqual(before.result, { kind: "partial", processed: 1, speechEnd: null, lagMs: 80 });
  const after = heard(before, final("hello", 1600, 24000));
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

test("an interrupted partial stays until its audio is recognised again", () => {
  const broken = run(started, ready, partial("hel", 0, 8000), interrupted);
  assert.equal(broken.phase, "waiting");
  assert.deepEqual(Object.values(broken.pending)[0].stale, true);
  assert.deepEqual(broken.retry, { at: 105, reason: "gone" });
  const again = [ready, partial("hello", 0, 16000)].reduce(heard, broken);
  assert.equal(again.retry, null);
  assert.deepEqual([pending(again), Object.values(again.pending)[0].stale], [["hello"], false]);
});

test("text whose final can't come any more is kept and marked", () => {
  const gap = run(started, ready, partial("half", 0, 8000), interrupted, { type: "gap", start: 0, end: 48000 });
  assert.deepEqual(gap.entries.slice(1).map((entry) => entry.kind), ["utterance", "gap"]);
  assert.deepEqual([gap.entries[1].confirmed, gap.entries[2].seconds], [false, 3]);
  const stopped = run(started, ready, partial("half", 0, 8000), { type: "stopped", error: { code: "unavailable", message: "no server" } });
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
  assert.equal(heard(muted, issue("clipping", false)).notice, muted.notice);
  assert.equal(heard(muted, issue("no_signal", false)).notice, null);
  assert.equal(heard(muted, issue("of_a_later_version", true)).notice, muted.notice);
  const failed = run(started, ready, { type: "error", code: "invalid_config", message: "no", fatal: false });
  assert.equal(heard(failed, issue("clipping", true)).notice.text, "no");
});

test("a server that wants a key is locked until it tells its model", () => {
  const refused = run(started, { type: "stopped", error: { code: "unauthenticated", message: "a key, please" } });
  assert.deepEqual([refused.locked, refused.notice.text], [true, "a key, please"]);
  assert.equal(reduce(refused, { type: "model", model: MODEL }).locked, false);
  assert.equal(reduce(INITIAL, { type: "locked" }).locked, true);
});
