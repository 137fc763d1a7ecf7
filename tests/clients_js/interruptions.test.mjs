/** Whatever breaks whenever: every word once and in order, with its time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Stream } from "../../server/wavelane_server/web/client/index.js";
import { FakeSocket, READY, begin, tick } from "./fake_socket.mjs";

const RATE = 100;
const CLOCK = 16_000;

/** Reproducible numbers in [0, 1). */
function random(seed) {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), state | 1) + 0x6d2b79f5) >>> 0;
    return state / 2 ** 32;
  };
}

/** A session that recognises: every second of one value is that word, a second of zeros ends an utterance. */
class Session {
  constructor(socket) {
    this.socket = socket;
    this.position = 0; // seconds recognised
    this.taken = 0; // messages looked at
    this.heard = [];
    this.words = null; // of the utterance in progress
    this.utterance = 0;
    this.over = false;
  }
  say(message) {
    if (this.socket.readyState === 1) this.socket.say(message);
  }
  /** Read what was sent, and recognise this many seconds of it. */
  step(seconds) {
    for (; this.taken < this.socket.sent.length; this.taken += 1) {
      const data = this.socket.sent[this.taken];
      if (typeof data !== "string") this.heard.push(...data);
      else if (data.includes('"end"')) this.ended = true;
      else if (data === '{"type":"reconfigure"}') this.say({ type: "configured", config: {} });
    }
    for (; seconds > 0 && this.heard.length >= (this.position + 1) * RATE; seconds -= 1) this.second();
    if (this.ended && this.heard.length < (this.position + 1) * RATE && !this.over) {
      this.close();
      this.over = true;
      this.say({ type: "closed", received: this.heard.length * (CLOCK / RATE) });
    }
  }
  second() {
    const word = this.heard[this.position * RATE];
    const start = this.position * CLOCK;
    this.position += 1;
    if (word === 0) return this.close();
    if (!this.words) this.say({ type: "speech_started", channel: 0, at: start });
    this.words ??= [];
    this.words.push({ text: String(word), start, end: start + CLOCK, confidence: 1 });
    const { words, utterance } = this;
    const text = words.map((one) => one.text).join(" ");
    this.say({ type: "partial", channel: 0, utterance, text, stable: 0, words, start: words[0].start, processed: start + CLOCK, lag_ms: 0 });
  }
  close() {
    if (!this.words) return;
    const { words, utterance } = this;
    const [start, end] = [words[0].start, words.at(-1).end];
    const alternatives = [{ text: "", confidence: 1, words }];
    this.words = null;
    this.utterance += 1;
    this.say({ type: "final", channel: 0, utterance, alternatives, start, end, processed: end, lag_ms: 0, reason: "silence", intent: null });
  }
}

/** What was said in a run of 90 s in which connections break at any time, and what was told of it. */
async function run(seed, { live, container }) {
  begin();
  const next = random(seed);
  const spoken = Array.from({ length: 90 }, (_, index) => (next() < 0.45 ? 0 : 1 + (index % 250)));
  const format = container ? { encoding: "container" } : { encoding: "mulaw", sample_rate: RATE };
  const stream = new Stream("ws://x", format, { WebSocket: FakeSocket, retries: Infinity, keepSeconds: live ? 60 : Infinity });
  const told = [];
  stream.on("final", (event) => told.push(event));
  stream.on("gap", () => assert.fail("there is room for all"));
  let session = null;
  let over = false;
  void stream.done.then(() => (over = true));
  const send = (word) => void stream.send(new Uint8Array(RATE).fill(word));
  if (!live) spoken.forEach(send);
  for (let second = 0; second < 2000 && !over; second += 1) {
    const socket = FakeSocket.last;
    if (socket.readyState === 0 && next() < 0.7) {
      socket.begin();
      session = new Session(socket);
    }
    if (live && second < spoken.length) send(spoken[second]);
    if (second === (live ? spoken.length : 0)) stream.end();
    if (session?.socket === socket) session.step(live ? Math.floor(next() * 4) : 1 + Math.floor(next() * 3));
    if (session?.socket === socket && socket.onclose && next() < 0.06) socket.break();
    tick(1000);
    await null;
  }
  assert.ok(over, "it comes to an end");
  return { spoken, told };
}

for (const [name, kind] of [["live", { live: true }], ["faster than real time", { live: false }], ["of a container", { container: true }]]) {
  test(`no word is lost or comes twice: audio ${name}`, async () => {
    for (let seed = 0; seed < 30; seed += 1) {
      const { spoken, told } = await run(seed, kind);
      const expected = spoken.flatMap((word, index) => (word ? [[String(word), index * CLOCK]] : []));
      const words = told.flatMap(({ alternatives }) => alternatives[0].words.map(({ text, start }) => [text, start]));
      assert.deepEqual(words, expected, `seed ${seed}`);
      assert.deepEqual(told.map(({ utterance }) => utterance), [...told.keys()]);
    }
  });
}
