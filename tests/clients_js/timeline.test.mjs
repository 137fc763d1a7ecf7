import assert from "node:assert/strict";
import { test } from "node:test";
import { Timeline } from "../../server/wavelane_server/web/client/timeline.js";

const SECOND = 16_000;
const word = (text, start, end) => ({ text, start: start * SECOND, end: end * SECOND, confidence: 0.9 });
const partial = (utterance, start, processed, channel = 0) => ({
  type: "partial", channel, utterance, text: "x", stable: 0, words: [word("x", start, processed)],
  start: start * SECOND, processed: processed * SECOND, lag_ms: 0,
});
const final = (utterance, start, end, channel = 0) => ({
  type: "final", channel, utterance, alternatives: [{ text: "x", confidence: 1, words: [word("x", start, end)] }],
  start: start * SECOND, end: end * SECOND, processed: end * SECOND, lag_ms: 0, reason: "silence", intent: null,
});
const at = (type, seconds, more = {}) => ({ type, channel: 0, at: seconds * SECOND, ...more });
function begun(origin = 0, channels = 0, timeline = new Timeline()) {
  timeline.begin(origin, SECOND, channels);
  return timeline;
}

test("one session's times and numbers are what the program gets", () => {
  const timeline = begun();
  for (const message of [at("speech_started", 0), partial(0, 0, 1), at("endpoint", 2, { utterance: 0, reason: "silence" }), final(0, 0, 2), final(1, 2, 3),
    { type: "flushed", at: 5 }, { type: "closed", received: 9 }, { type: "configured", config: {} }]) assert.deepEqual(timeline.place(message), message);
});

test("times and numbers go on in the next session", () => {
  const timeline = begun();
  timeline.place(final(0, 0, 2));
  timeline.place(partial(1, 2, 3));
  begun(2, 0, timeline);
  assert.deepEqual(timeline.place(partial(0, 0.5, 1.5)), partial(1, 2.5, 3.5));
  assert.deepEqual(timeline.place(final(0, 0.5, 2)), final(1, 2.5, 4));
  assert.deepEqual(timeline.place({ type: "closed", received: 3 * SECOND }), { type: "closed", received: 5 * SECOND });
});

test("a recording that is sent again gives nothing twice", () => {
  const first = [at("speech_started", 0), partial(0, 0, 1), at("endpoint", 1.5, { utterance: 0, reason: "silence" }), final(0, 0, 1), at("speech_stopped", 1.2),
    at("audio_issue", 1.3, { problem: "clipping", active: true, level_dbfs: 0, clipped: 1 }), partial(1, 2, 3)];
  const timeline = begun();
  for (const message of first) assert.ok(timeline.place(message));
  begun(0, 0, timeline);
  assert.deepEqual(first.map((message) => timeline.place(message)?.type), [undefined, undefined, undefined, undefined, undefined, undefined, "partial"]);
  assert.equal(timeline.place(final(1, 2, 3)).utterance, 1);
});

test("channels have numbers of their own", () => {
  const timeline = begun(0, 2);
  for (const message of [final(0, 0, 1, 0), final(1, 1, 2, 0), final(0, 0, 3, 1)]) assert.deepEqual(timeline.place(message), message);
});

test("corrections find the session's own number, and only of this session", () => {
  const timeline = begun();
  timeline.place(final(0, 0, 1));
  assert.equal(timeline.numberOf(0, 0), 0);
  begun(1, 0, timeline);
  assert.equal(timeline.numberOf(0, 0), undefined);
  timeline.place(final(0, 0, 1));
  assert.equal(timeline.numberOf(0, 1), 0);
  const corrected = { type: "corrected", channel: 0, utterance: 0, hotword: true, stored: false };
  assert.equal(timeline.place(corrected).utterance, 1);
});

test("needed is what has no final: from the onset of speech on, or from where it may yet be", () => {
  const timeline = begun();
  assert.equal(timeline.needed(7), 7);
  timeline.place(at("speech_started", 5));
  assert.equal(timeline.needed(7), 3);
  timeline.place(final(0, 5, 9));
  assert.deepEqual([timeline.needed(7), timeline.needed(12)], [9, 12]);
  timeline.place(partial(1, 20, 21));
  assert.equal(timeline.needed(99), 18);
  timeline.place({ type: "flushed", at: 22 * SECOND });
  assert.equal(timeline.needed(0), 22);
});

test("needed is what any channel needs", () => {
  const timeline = begun(0, 2);
  timeline.place(final(0, 5, 9, 1));
  assert.deepEqual([timeline.needed(0), timeline.needed(8)], [0, 8]);
  timeline.place({ ...at("speech_started", 7), channel: 0 });
  assert.equal(timeline.needed(99), 5);
});
