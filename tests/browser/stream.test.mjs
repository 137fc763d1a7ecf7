import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { MicrophoneSource } from "../../server/wavelane_server/web/backlog.js";
import { RecognitionStream } from "../../server/wavelane_server/web/stream.js";

/** A WebSocket whose server is the test. */
class FakeSocket {
  static all = [];
  static get last() {
    return FakeSocket.all.at(-1);
  }
  readyState = 0;
  bufferedAmount = 0;
  sent = [];
  constructor(url) {
    this.url = url;
    FakeSocket.all.push(this);
  }
  send(data) {
    this.sent.push(data);
  }
  close() {
    this.readyState = 3;
  }
  open() {
    this.readyState = 1;
    this.onopen();
  }
  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
  break(code = 1006) {
    this.readyState = 3;
    this.onclose({ code });
  }
  get controls() {
    return this.sent.filter((data) => typeof data === "string").map((data) => JSON.parse(data));
  }
  get audio() {
    return this.sent.filter((data) => typeof data !== "string").map((block) => block[0]);
  }
}

const RATE = 1000;
const READY = { type: "ready", session: "s", clock_rate: 16000, config: {}, model: {} };
const final = (start, end) => ({
  type: "final", channel: 0, utterance: 0, alternatives: [{ text: "x", confidence: 1, words: [] }], start, end, processed: end, lag_ms: 0, reason: "silence",
});
let time = 0;
const tick = (ms) => {
  for (let left = ms; left > 0; left -= 250) {
    time += Math.min(250, left);
    mock.timers.tick(Math.min(250, left));
  }
};

function begin(options = {}) {
  const source = new MicrophoneSource(RATE, 30);
  const actions = [];
  const stream = new RecognitionStream({
    url: "ws://x/v1/stream", source, options: { lookahead: 6 }, dispatch: (action) => actions.push(action), Socket: FakeSocket, now: () => time, ...options,
  });
  stream.start();
  const seconds = (...values) => {
    for (const value of values) source.append(new Int16Array(RATE).fill(value), time);
    stream.pump();
  };
  return { source, stream, actions, seconds, types: () => actions.map((action) => action.message?.type ?? action.type) };
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  FakeSocket.all = [];
  time = 0;
});

test("configures once, holds audio until ready, ends when the source ends", async () => {
  const { source, stream, seconds, actions } = begin();
  FakeSocket.last.open();
  seconds(1, 2);
  assert.deepEqual(FakeSocket.last.sent.map(JSON.parse), [{ type: "configure", lookahead: 6, encoding: "linear16", sample_rate: RATE, channels: 1 }]);
  FakeSocket.last.say(READY);
  assert.deepEqual(FakeSocket.last.audio, [1, 2]);
  source.ended = true;
  stream.finish();
  assert.equal(FakeSocket.last.controls.at(-1).type, "end");
  FakeSocket.last.say({ type: "closed", received: 32000 });
  await stream.done;
  assert.deepEqual(actions.at(-1), { type: "stopped", error: null });
});

test("sends no more than the socket takes", () => {
  const { seconds } = begin();
  FakeSocket.last.open();
  FakeSocket.last.say(READY);
  FakeSocket.last.bufferedAmount = 1 << 20;
  seconds(1, 2);
  assert.deepEqual(FakeSocket.last.audio, []);
  FakeSocket.last.bufferedAmount = 0;
  tick(20);
  assert.deepEqual(FakeSocket.last.audio, [1, 2]);
});

test("after an interruption the open utterance is sent again, with what was spoken meanwhile", () => {
  const { seconds, actions, types } = begin();
  FakeSocket.last.open();
  FakeSocket.last.say(READY);
  seconds(0, 1, 2, 3);
  FakeSocket.last.say(final(0, 2 * 16000));
  FakeSocket.last.say({ type: "partial", channel: 0, text: "a", stable: 0, words: [], start: 32000, processed: 48000, lag_ms: 0 });
  FakeSocket.last.break();
  assert.equal(actions.at(-1).reason, "The connection was lost.");
  seconds(4);
  tick(1000);
  assert.equal(FakeSocket.all.length, 2);
  FakeSocket.last.open();
  FakeSocket.last.say(READY);
  assert.deepEqual(FakeSocket.last.audio, [2, 3, 4]);
  assert.deepEqual([actions.at(-1).origin, types().includes("gap")], [2, false]);
  seconds(5);
  assert.deepEqual(FakeSocket.last.audio, [2, 3, 4, 5]);
});

test("in silence only the last seconds are sent again, in a long utterance all of it", () => {
  for (const [open, expected] of [[false, [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]], [true, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]]]) {
    const { seconds } = begin();
    FakeSocket.last.open();
    FakeSocket.last.say(READY);
    seconds(...Array(20).keys());
    if (open) FakeSocket.last.say({ type: "speech_started", channel: 0, at: 3 * 16000 });
    FakeSocket.last.break();
    tick(1000);
    FakeSocket.last.open();
    FakeSocket.last.say(READY);
    assert.deepEqual(FakeSocket.last.audio, expected);
  }
});

test("an interruption longer than the memory is told as a gap", () => {
  const { seconds, actions } = begin();
  FakeSocket.last.open();
  FakeSocket.last.say(READY);
  FakeSocket.last.break();
  seconds(...Array(33).keys());
  tick(1000);
  FakeSocket.last.open();
  FakeSocket.last.say(READY);
  assert.deepEqual(actions.find((action) => action.type === "gap"), { type: "gap", seconds: 3 });
});

test("tries again with growing pauses, at once when the network is back", () => {
  const { stream, actions } = begin();
  const pauses = [];
  for (let attempt = 0; attempt < 5; attempt += 1) {
    FakeSocket.last.break();
    pauses.push(actions.at(-1).retryAt - time);
    assert.equal(actions.at(-1).refused, true);
    tick(12_000);
  }
  for (let index = 0; index < 5; index += 1) assert.ok(pauses[index] >= 375 * 2 ** index && pauses[index] <= 625 * 2 ** index, String(pauses));
  FakeSocket.last.break();
  const before = FakeSocket.all.length;
  stream.retryNow();
  stream.retryNow();
  assert.equal(FakeSocket.all.length, before + 1);
});

test("a refusal that would come again ends it with the server's words", async () => {
  const { stream, actions } = begin();
  FakeSocket.last.open();
  FakeSocket.last.say({ type: "error", code: "invalid_config", message: "no such lookahead", fatal: true });
  FakeSocket.last.break(4400);
  await stream.done;
  assert.deepEqual(actions.at(-1), { type: "stopped", error: "No such lookahead." });
  tick(60_000);
  assert.equal(FakeSocket.all.length, 1);
});

test("a file that never gets further is given up, one that does is not", async () => {
  const { stream, actions } = begin({ limited: true });
  for (let attempt = 0; attempt < 10; attempt += 1) {
    FakeSocket.last.open();
    FakeSocket.last.say(READY);
    FakeSocket.last.say(final(0, 16000 * Math.min(attempt, 3)));
    FakeSocket.last.break(1011);
    tick(12_000);
  }
  await stream.done;
  assert.equal(FakeSocket.all.length, 10);
  assert.match(actions.at(-1).error, /could not be finished/);
});

test("a dead connection is probed, then replaced", () => {
  const { actions } = begin();
  FakeSocket.last.open();
  FakeSocket.last.say(READY);
  tick(9_000);
  assert.deepEqual(FakeSocket.last.controls.at(-1), { type: "reconfigure" });
  FakeSocket.last.say({ type: "configured", config: {} });
  tick(8_000);
  assert.equal(FakeSocket.all.length, 1, "an answer keeps it");
  tick(8_000);
  assert.ok(actions.some((action) => action.type === "interrupted"));
  tick(1_000);
  assert.equal(FakeSocket.all.length, 2);
});

test("keeps the session alive while there is nothing to send", () => {
  begin();
  FakeSocket.last.open();
  FakeSocket.last.say(READY);
  for (let second = 0; second < 60; second += 1) {
    tick(1000);
    FakeSocket.last.say({ type: "flushed", at: 0 });
  }
  assert.equal(FakeSocket.last.controls.filter((message) => message.type === "keepalive").length, 3);
});

test("a change goes to this session and to the next ones", () => {
  const { stream } = begin();
  stream.reconfigure({ language: "de" });
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.controls[0].language, "de", "before the session it is part of its configuration");
  FakeSocket.last.say(READY);
  stream.reconfigure({ lookahead: 0 });
  assert.deepEqual(FakeSocket.last.controls.at(-1), { type: "reconfigure", lookahead: 0 });
  FakeSocket.last.break();
  tick(1000);
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.controls[0].lookahead, 0);
});

test("a stop during an interruption still sends what was spoken", async () => {
  const { source, stream, seconds } = begin();
  FakeSocket.last.open();
  FakeSocket.last.say(READY);
  FakeSocket.last.break();
  seconds(1);
  source.ended = true;
  stream.finish();
  tick(1000);
  FakeSocket.last.open();
  FakeSocket.last.say(READY);
  assert.deepEqual(FakeSocket.last.audio, [1]);
  assert.equal(FakeSocket.last.controls.at(-1).type, "end");
  FakeSocket.last.say({ type: "closed", received: 16000 });
  await stream.done;
});

test("abort closes, tells once and comes to rest", async () => {
  const { stream, actions } = begin();
  FakeSocket.last.open();
  const socket = FakeSocket.last;
  stream.abort();
  stream.abort();
  await stream.done;
  assert.equal(socket.readyState, 3);
  assert.equal(actions.filter((action) => action.type === "stopped").length, 1);
  tick(30_000);
  assert.equal(FakeSocket.all.length, 1);
});

test("something that is not Wavelane is told so", async () => {
  const { stream, actions } = begin();
  FakeSocket.last.open();
  FakeSocket.last.onmessage({ data: "hello" });
  await stream.done;
  assert.match(actions.at(-1).error, /not JSON/);
});
