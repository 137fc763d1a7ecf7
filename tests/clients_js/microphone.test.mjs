import assert from "node:assert/strict";
import { test } from "node:test";
import { describeMicrophoneError } from "../../server/wavelane_server/web/client/index.js";

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
