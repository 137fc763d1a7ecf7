import assert from "node:assert/strict";
import { test } from "node:test";
import { describeMicrophoneError } from "../../server/wavelane_server/web/capture.js";
import { meterHeight } from "../../server/wavelane_server/web/meter.js";

test("every way to have no microphone is told in words that help", () => {
  const page = { secure: true, host: "example.org:8080" };
  const told = (name) => describeMicrophoneError(new DOMException("raw", name), page);
  assert.match(told("NotAllowedError"), /Allow it/);
  assert.match(told("NotFoundError"), /No microphone was found/);
  assert.match(told("NotReadableError"), /another program/);
  assert.match(told("SecurityError"), /window of its own/);
  assert.match(describeMicrophoneError(new TypeError("odd"), page), /odd/);
  assert.match(describeMicrophoneError(new DOMException("raw", "SecurityError"), { ...page, secure: false }), /https:\/\/.*http:\/\/example.org:8080.*files/);
});

test("the meter is linear in decibels over 60 dB", () => {
  assert.deepEqual([0, 0.001, 1, 2].map(meterHeight), [0, 0, 1, 1]);
  assert.ok(Math.abs(meterHeight(10 ** -1.5) - 0.5) < 1e-9);
});
