import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { Stream, connect } from "../../server/wavelane_server/web/client/index.js";
import { FakeSocket, READY, begin, tick } from "./fake_socket.mjs";

const RATE = 1000;
const final = (start, end) => ({
  type: "final", channel: 0, utterance: 0, alternatives: [{ text: "x", confidence: 1, words: [] }], start, end, processed: end, lag_ms: 0, reason: "silence",
});
const partial = (start, processed) => ({ type: "partial", channel: 0, utterance: 0, text: "a", stable: 0, words: [], start, processed, lag_ms: 0 });
const settled = () => new Promise((resolve) => setImmediate(resolve));
function start(options = {}, connecting = {}) {
  const stream = new Stream("ws://x", { encoding: "mulaw", sample_rate: RATE, lookahead: 6, ...options }, { keepSeconds: 30, WebSocket: FakeSocket, ...connecting });
  const events = [];
  const reading = (async () => {
    for await (const event of stream) events.push(event);
  })();
  reading.catch(() => {});
  const send = (...values) => values.forEach((value) => void stream.send(new Uint8Array(RATE).fill(value)));
  /** Seconds of audio as they are spoken. */
  const speak = (...values) => values.forEach((value) => (tick(1000), send(value)));
  return { stream, events, reading, send, speak, of: (type) => events.filter((event) => event.type === type) };
}

beforeEach(() => begin());

test("configures once, holds audio until ready, ends when the audio ends", async () => {
  const { stream, send, events, reading } = start();
  assert.equal(FakeSocket.last.url, "ws://x/v1/stream");
  FakeSocket.last.open();
  send(1, 2);
  assert.deepEqual(FakeSocket.last.sent.map(JSON.parse), [{ type: "configure", encoding: "mulaw", sample_rate: RATE, lookahead: 6 }]);
  FakeSocket.last.say(READY);
  assert.deepEqual(FakeSocket.last.audio, [1, 2]);
  stream.end();
  assert.equal(FakeSocket.last.controls.at(-1).type, "end");
  FakeSocket.last.say({ type: "closed", received: 32000 });
  await stream.done;
  await reading;
  assert.deepEqual(events.map(({ type }) => type), ["connecting", "ready", "closed"]);
  await assert.rejects(stream.send(new Uint8Array(1)), { code: "invalid_message" });
});

test("sends no more than the socket takes, and tells when there is room", async () => {
  const { stream, send } = start();
  FakeSocket.last.begin();
  FakeSocket.last.bufferedAmount = 1 << 20;
  send(1, 2);
  assert.deepEqual(FakeSocket.last.audio, []);
  let room = false;
  const waiting = stream.send(new Uint8Array(300_000)).then(() => (room = true));
  await settled();
  assert.equal(room, false);
  FakeSocket.last.bufferedAmount = 0;
  tick(20);
  assert.deepEqual(FakeSocket.last.audio.slice(0, 2), [1, 2]);
  await waiting;
});

test("after an interruption the open utterance is sent again, with what was spoken meanwhile", async () => {
  const { speak, of, events } = start();
  FakeSocket.last.begin();
  speak(0, 1, 2, 3);
  FakeSocket.last.say(final(0, 2 * 16000));
  FakeSocket.last.say(partial(32000, 48000));
  FakeSocket.last.break();
  await settled();
  assert.equal(events.at(-1).error.message, "The connection was lost.");
  speak(4);
  assert.equal(FakeSocket.all.length, 2);
  FakeSocket.last.begin();
  assert.deepEqual(FakeSocket.last.audio, [2, 3, 4]);
  FakeSocket.last.say(final(0, 16000));
  await settled();
  assert.deepEqual([of("gap"), of("final").map(({ utterance, start, end }) => [utterance, start, end])], [[], [[0, 0, 32000], [1, 32000, 48000]]]);
  speak(5);
  assert.deepEqual(FakeSocket.last.audio, [2, 3, 4, 5]);
});

test("in silence only the last seconds are sent again, in a long utterance all of it", () => {
  for (const [open, from] of [[false, 10], [true, 1]]) {
    const { stream, speak } = start();
    FakeSocket.last.begin();
    speak(...Array(4).keys());
    if (open) FakeSocket.last.say({ type: "speech_started", channel: 0, at: 3 * 16000 });
    for (let second = 4; second < 20; second += 1) {
      speak(second);
      FakeSocket.last.say({ type: "configured", config: {} });
    }
    FakeSocket.last.break();
    tick(1000);
    FakeSocket.last.begin();
    assert.deepEqual(FakeSocket.last.audio, Array.from({ length: 20 - from }, (_, index) => from + index));
    stream.abort();
  }
});

test("audio faster than real time is kept until it has its final, whatever the silence", () => {
  const { send } = start();
  FakeSocket.last.begin();
  send(...Array(100).keys());
  FakeSocket.last.say(final(0, 2 * 16000));
  FakeSocket.last.break();
  tick(1000);
  FakeSocket.last.begin();
  assert.deepEqual(FakeSocket.last.audio, Array.from({ length: 98 }, (_, index) => 2 + index));
});

test("an interruption longer than the memory is told as a gap", async () => {
  const { send, of } = start();
  FakeSocket.last.begin();
  FakeSocket.last.break();
  send(...Array(33).keys());
  tick(1000);
  FakeSocket.last.begin();
  await settled();
  assert.deepEqual(of("gap"), [{ type: "gap", start: 0, end: 3 * 16000 }]);
});

test("what was sent and is unfinished is lost too, and told, when an interruption takes too long", async () => {
  const { speak, send, of } = start();
  FakeSocket.last.begin();
  speak(0, 1, 2, 3, 4);
  FakeSocket.last.say(partial(0, 80000));
  FakeSocket.last.break();
  send(...Array(33).keys());
  tick(1000);
  FakeSocket.last.begin();
  await settled();
  assert.deepEqual(of("gap"), [{ type: "gap", start: 0, end: 3 * 16000 }]);
});

test("however much was unfinished, a short interruption costs nothing", async () => {
  const { send, of } = start();
  FakeSocket.last.begin();
  send(...Array(100).keys());
  FakeSocket.last.break();
  send(...Array(20).keys());
  tick(1000);
  FakeSocket.last.begin();
  await settled();
  assert.equal(FakeSocket.last.audio.length, 120);
  assert.deepEqual(of("gap"), []);
});

test("tries again with growing pauses, at once when the network is back", async () => {
  const { stream, of } = start({}, { retries: Infinity });
  for (let attempt = 0; attempt < 5; attempt += 1) {
    FakeSocket.last.break();
    await settled();
    tick(12_000);
  }
  const pauses = of("interrupted").map(({ retry_ms }) => retry_ms);
  for (let index = 0; index < 5; index += 1) assert.ok(pauses[index] >= 375 * 2 ** index && pauses[index] <= 625 * 2 ** index, String(pauses));
  FakeSocket.last.break();
  const before = FakeSocket.all.length;
  stream.retryNow();
  stream.retryNow();
  await settled();
  tick(12_000);
  assert.equal(FakeSocket.all.length, before + 1);
});

test("a refusal that would come again ends it with the server's words", async () => {
  const { stream, reading } = start();
  FakeSocket.last.open();
  FakeSocket.last.say({ type: "error", code: "invalid_config", message: "no such lookahead", fatal: false });
  const told = { name: "WavelaneError", code: "invalid_config", message: "No such lookahead.", temporary: false };
  await assert.rejects(stream.done, told);
  await assert.rejects(reading, told);
  await assert.rejects(stream.send(new Uint8Array(1)), told);
  tick(60_000);
  assert.equal(FakeSocket.all.length, 1);
});

test("finals after a fatal error are told, and the error with the interruption", async () => {
  const { events } = start();
  FakeSocket.last.begin();
  FakeSocket.last.say({ type: "error", code: "shutting_down", message: "draining", fatal: true });
  FakeSocket.last.say(final(0, 16000));
  FakeSocket.last.say({ type: "closed", received: 16000 });
  FakeSocket.last.break(1012);
  await settled();
  assert.deepEqual(events.map(({ type, error }) => error?.code ?? type), ["connecting", "ready", "final", "shutting_down"]);
});

test("one that never gets further is given up, one that does is not", async () => {
  const { stream } = start({}, { retries: 6 });
  for (let attempt = 0; attempt < 10; attempt += 1) {
    FakeSocket.last.begin();
    void stream.send(new Uint8Array(RATE));
    FakeSocket.last.say(final(0, 16000));
    FakeSocket.last.break(1011);
    tick(12_000);
  }
  assert.equal(FakeSocket.all.length, 11, "finals count as progress");
  for (let attempt = 0; attempt < 6; attempt += 1) {
    FakeSocket.last.begin();
    FakeSocket.last.break(1011);
    tick(12_000);
  }
  await assert.rejects(stream.done, { code: "internal" });
  assert.equal(FakeSocket.all.length, 16);
});

test("a dead connection is probed, then replaced", async () => {
  const { of } = start();
  FakeSocket.last.begin();
  tick(9_000);
  assert.deepEqual(FakeSocket.last.controls.at(-1), { type: "reconfigure" });
  FakeSocket.last.say({ type: "configured", config: {} });
  tick(8_000);
  assert.equal(FakeSocket.all.length, 1, "an answer keeps it");
  tick(8_000);
  await settled();
  assert.equal(of("interrupted").length, 1);
  tick(1_000);
  assert.equal(FakeSocket.all.length, 2);
});

test("keeps the session alive while there is nothing to send", () => {
  start();
  FakeSocket.last.begin();
  for (let second = 0; second < 60; second += 1) {
    tick(1000);
    FakeSocket.last.say({ type: "flushed", at: 0 });
  }
  assert.equal(FakeSocket.last.controls.filter((message) => message.type === "keepalive").length, 3);
});

test("a change goes to this session and to the next ones, unless it is refused", () => {
  const { stream } = start();
  stream.reconfigure({ language: "de" });
  FakeSocket.last.open();
  assert.equal(FakeSocket.last.controls[0].language, "de", "before the session it is part of its configuration");
  stream.reconfigure({ words: false });
  FakeSocket.last.say(READY);
  stream.reconfigure({ lookahead: 0 });
  stream.reconfigure({ lookahead: 99 });
  stream.reconfigure({ partials: false });
  const changes = [{ words: false }, { lookahead: 0 }, { lookahead: 99 }, { partials: false }].map((change) => ({ type: "reconfigure", ...change }));
  assert.deepEqual(FakeSocket.last.controls.slice(1), changes);
  FakeSocket.last.say({ type: "configured", config: {} });
  FakeSocket.last.say({ type: "configured", config: {} });
  FakeSocket.last.say({ type: "error", code: "invalid_config", message: "no", fatal: false });
  FakeSocket.last.break();
  stream.reconfigure({ lm: "off" });
  tick(1000);
  FakeSocket.last.begin();
  const [{ language, words, lookahead }, ...rest] = FakeSocket.last.controls;
  assert.deepEqual({ language, words, lookahead }, { language: "de", words: false, lookahead: 0 });
  assert.deepEqual(rest, [changes[3], { type: "reconfigure", lm: "off" }], "what was not answered is asked again");
});

test("corrections and probes have answers of their own", () => {
  const { stream } = start();
  FakeSocket.last.begin();
  FakeSocket.last.say(final(0, 16000));
  stream.correct({ utterance: 0, was: "x", should_be: "y" });
  stream.reconfigure({ lookahead: 0 });
  FakeSocket.last.say({ type: "error", code: "invalid_config", message: "no such word", fatal: false });
  FakeSocket.last.say({ type: "configured", config: {} });
  tick(9_000);
  FakeSocket.last.say({ type: "configured", config: {} });
  FakeSocket.last.break();
  tick(1000);
  FakeSocket.last.begin();
  assert.deepEqual(FakeSocket.last.controls.map(({ type, lookahead }) => [type, lookahead]), [["configure", 0]]);
});

test("a server that is busy with a file and tells no partials is given time", () => {
  for (const [partials, sockets] of [[false, 1], [true, 2]]) {
    const { stream, send } = start({ partials });
    FakeSocket.all = FakeSocket.all.slice(-1);
    FakeSocket.last.begin();
    send(...Array(200).keys());
    tick(20_000);
    assert.equal(FakeSocket.all.length, sockets);
    stream.abort();
  }
});

test("a browser that does not let the page connect says why", async () => {
  const Forbidden = function () {
    throw new DOMException("an insecure WebSocket connection may not be initiated", "SecurityError");
  };
  await assert.rejects(connect("ws://x", {}, { WebSocket: Forbidden }), { code: "invalid_config", message: /^An insecure WebSocket/ });
});

test("a flush has its place in the audio, and is asked again if it was not answered", () => {
  const { stream, send } = start();
  send(1);
  stream.flush();
  send(2);
  FakeSocket.last.begin();
  const order = () => FakeSocket.last.sent.slice(1).map((data) => (typeof data === "string" ? JSON.parse(data).type : data[0]));
  assert.deepEqual(order(), [1, "flush", 2]);
  FakeSocket.last.break();
  tick(1000);
  FakeSocket.last.begin();
  assert.deepEqual(order(), [1, "flush", 2]);
  FakeSocket.last.say({ type: "flushed", at: 16000 });
  FakeSocket.last.break();
  tick(2000);
  FakeSocket.last.begin();
  assert.deepEqual(order(), [2]);
});

test("corrections are of this session's finals", () => {
  const { stream, send } = start();
  FakeSocket.last.begin();
  send(1, 2);
  const correction = { utterance: 0, was: "x", should_be: "y" };
  assert.throws(() => stream.correct(correction), { code: "invalid_message" });
  FakeSocket.last.say(final(0, 16000));
  FakeSocket.last.break();
  tick(1000);
  FakeSocket.last.begin();
  FakeSocket.last.say(final(0, 16000));
  assert.throws(() => stream.correct(correction), { code: "invalid_message" });
  stream.correct({ ...correction, utterance: 1 });
  assert.deepEqual(FakeSocket.last.controls.at(-1), { type: "correct", ...correction });
});

test("a stop during an interruption still sends what was spoken", async () => {
  const { stream, send } = start();
  FakeSocket.last.begin();
  FakeSocket.last.break();
  send(1);
  stream.end();
  tick(1000);
  FakeSocket.last.begin();
  assert.deepEqual(FakeSocket.last.audio, [1]);
  assert.equal(FakeSocket.last.controls.at(-1).type, "end");
  FakeSocket.last.say({ type: "closed", received: 16000 });
  await stream.done;
});

test("abort closes and comes to rest", async () => {
  const { stream, reading } = start();
  FakeSocket.last.open();
  const socket = FakeSocket.last;
  stream.abort();
  stream.abort();
  await stream.done;
  await reading;
  assert.equal(socket.readyState, 3);
  tick(30_000);
  assert.equal(FakeSocket.all.length, 1);
});

test("something that is not Wavelane is told so", async () => {
  const { stream } = start();
  FakeSocket.last.open();
  FakeSocket.last.onmessage({ data: "hello" });
  await assert.rejects(stream.done, /not JSON/);
});

test("what the handshake keeps secret is asked over HTTP, with the key", async () => {
  const answers = { "http://x/readyz": new Response("{}"), "http://x/v1/models": Response.json({ error: { code: "unauthenticated", message: "unknown key" } }, { status: 401 }) };
  const asked = [];
  mock.method(globalThis, "fetch", async (url, { headers }) => (asked.push([url.href, headers]), answers[url.href]));
  const { stream } = start({}, { apiKey: "k1" });
  assert.deepEqual(FakeSocket.last.protocols, ["wavelane", "token.k1"]);
  FakeSocket.last.break();
  await assert.rejects(stream.done, { code: "unauthenticated", message: "Unknown key." });
  assert.deepEqual(asked.at(-1), ["http://x/v1/models", { Authorization: "Bearer k1" }]);
});

test("a server that is not ready says why, and is tried again", async () => {
  mock.method(globalThis, "fetch", async () => Response.json({ status: "loading", reason: "the model is loading" }, { status: 503 }));
  const { of } = start();
  FakeSocket.last.break();
  await settled();
  assert.equal(of("interrupted")[0].error.message, "The server is not ready: The model is loading.");
});

test("connect gives a stream that has a session, or fails at once", async () => {
  const opening = connect("ws://x", {}, { WebSocket: FakeSocket });
  FakeSocket.last.begin();
  assert.equal((await opening).ready.session, "s");
  const failing = connect("ws://x", {}, { WebSocket: FakeSocket });
  FakeSocket.last.break();
  await assert.rejects(failing, { code: "unavailable", message: "The server does not answer.", temporary: true });
  const full = connect("ws://x", {}, { WebSocket: FakeSocket });
  FakeSocket.last.open();
  FakeSocket.last.say({ type: "error", code: "overloaded", message: "full", fatal: true });
  await assert.rejects(full, { code: "overloaded" });
  assert.equal(FakeSocket.all.length, 3);
});

test("a connection after connect is bridged like any other", async () => {
  const opening = connect("ws://x", {}, { WebSocket: FakeSocket });
  FakeSocket.last.begin();
  const stream = await opening;
  FakeSocket.last.break();
  tick(1000);
  assert.equal(FakeSocket.all.length, 2);
  stream.abort();
});

test("what can't work is refused at once", () => {
  assert.throws(() => new Stream("nowhere", {}, { WebSocket: FakeSocket }), { code: "invalid_config" });
  assert.throws(() => new Stream("ws://x", {}, { WebSocket: FakeSocket, apiKey: "a b" }), { code: "invalid_config" });
  assert.equal(FakeSocket.all.length, 0);
  const { stream } = start();
  assert.throws(() => stream.send(new Blob(["x"])), { code: "invalid_config" });
  const { WebSocket } = globalThis;
  globalThis.WebSocket = undefined;
  try {
    assert.throws(() => new Stream("ws://x"), { code: "invalid_config", message: /the package ws/ });
  } finally {
    globalThis.WebSocket = WebSocket;
  }
});
