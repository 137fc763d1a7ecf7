import assert from "node:assert/strict";
import { test } from "node:test";

/** What an AudioWorkletGlobalScope has. */
let registered;
globalThis.AudioWorkletProcessor = class {
  port = {
    posted: [],
    postMessage(data, transfer = []) {
      this.posted.push(structuredClone(data, { transfer }));
    },
  };
};
globalThis.registerProcessor = (name, Processor) => {
  registered = Processor;
};
globalThis.sampleRate = 48000;
await import("../../server/wavelane_server/web/client/worklet.js");

/** Feed channels in quanta of 128 and give back what was posted. */
function feed(rate, channels, stop = true) {
  globalThis.sampleRate = rate;
  const processor = new registered();
  for (let at = 0; at < channels[0].length; at += 128) processor.process([channels.map((channel) => channel.subarray(at, at + 128))]);
  if (stop) processor.port.onmessage();
  return processor;
}
const samplesOf = (processor) => processor.port.posted.filter(Boolean).flatMap(({ samples }) => [...samples]);

for (const rate of [44100, 48000, 22050]) {
  test(`every sample at ${rate} Hz arrives once, in blocks of 20 ms`, () => {
    const ramp = Float32Array.from({ length: 128 * 40 }, (_, index) => index / 32767);
    const processor = feed(rate, [ramp]);
    assert.deepEqual(samplesOf(processor), [...Array(ramp.length).keys()]);
    const sizes = processor.port.posted.filter(Boolean).map(({ samples }) => samples.length);
    assert.deepEqual(new Set(sizes.slice(0, -1)), new Set([Math.round(rate / 50)]));
    assert.equal(processor.port.posted.at(-1), null, "the end is told");
    assert.equal(processor.process([[ramp.subarray(0, 128)]]), false);
  });
}

test("channels are averaged, loud ones clipped, and levels told", () => {
  const left = new Float32Array(1280).fill(0.5);
  const right = new Float32Array(1280).fill(-0.25);
  const { port } = feed(48000, [left, right], false);
  assert.equal(port.posted[0].samples[0], Math.round(0.125 * 32767));
  assert.ok(Math.abs(port.posted[0].rms - 0.125) < 1e-6 && Math.abs(port.posted[0].peak - 0.125) < 1e-6);
  const loud = feed(48000, [new Float32Array(1280).fill(3)], false).port.posted[0];
  assert.deepEqual([loud.samples[0], loud.peak], [32767, 1]);
});

test("rates above what servers take are divided", () => {
  const processor = feed(192000, [new Float32Array(128 * 60).fill(0.5)]);
  const samples = samplesOf(processor);
  assert.equal(samples.length, 128 * 30);
  assert.deepEqual(new Set(samples), new Set([Math.round(0.5 * 32767)]));
});

test("a microphone that is not yet connected gives nothing and stays alive", () => {
  const processor = new registered();
  assert.equal(processor.process([[]]), true);
  assert.deepEqual(processor.port.posted, []);
});
