import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtocolError, backoff, configure, explainClose, explainRefusal, modelOf, parse, reconfigure } from "../../server/wavelane_server/web/protocol.js";

test("configure leaves out what is not chosen", () => {
  const options = { encoding: "linear16", sample_rate: 44100, lookahead: 0, language: null, vad: { kind: "off" } };
  assert.deepEqual(JSON.parse(configure(options)), {
    type: "configure", encoding: "linear16", sample_rate: 44100, lookahead: 0, vad: { kind: "off" },
  });
  assert.equal(reconfigure(), '{"type":"reconfigure"}');
});

test("messages are read, later types ignored, others refused with words", () => {
  assert.equal(parse('{"type":"flushed","at":160}').at, 160);
  assert.equal(parse('{"type":"of_version_9","x":1}'), null);
  for (const bad of ["<html>", "null", "[]", '{"type":"flushed"}', '{"type":"ready","clock_rate":16000,"config":null,"model":{}}',
    '{"type":"final","channel":0,"alternatives":[],"start":0,"end":1,"processed":1}']) {
    assert.throws(() => parse(bad), ProtocolError, bad);
  }
  assert.equal(parse('{"type":"toString"}'), null);
});

test("a close is tried again unless the same request would fail again", () => {
  assert.equal(explainClose(1006, null, true).retry, true);
  assert.equal(explainClose(1013, null, false).retry, true);
  assert.equal(explainClose(4400, null, false).retry, false);
  const refused = { type: "error", code: "invalid_config", message: "lookahead 3 is not one of 13, 6", fatal: true };
  assert.deepEqual(explainClose(4400, refused, false), { retry: false, reason: "Lookahead 3 is not one of 13, 6." });
  const full = { type: "error", code: "overloaded", message: "all lanes are taken", fatal: true };
  assert.deepEqual(explainClose(1013, full, false), { retry: true, reason: "All lanes are taken." });
});

test("back-off doubles up to 8 s and is spread", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 99].map((attempt) => backoff(attempt, 0.5)), [500, 1000, 2000, 4000, 8000, 8000, 8000]);
  assert.equal(backoff(0, 0), 375);
  assert.ok(backoff(4, 0.999) < 10_000);
});

test("the model comes from the list of models, or not at all", () => {
  const model = { id: "small", languages: ["en"], lookaheads: [13, 0], default_lookahead: 13 };
  assert.equal(modelOf({ object: "list", data: [model] }).name, "small");
  for (const other of [null, {}, { data: [] }, { data: [{ id: "x" }] }, "x"]) assert.equal(modelOf(other), null);
});

test("a refused handshake is explained by the server's readiness", () => {
  assert.match(explainRefusal(200, { status: "ready" }), /no more sessions/);
  assert.equal(explainRefusal(503, { reason: "the model is loading" }), "The server is not ready: The model is loading.");
  assert.equal(explainRefusal(503, null), "The server is not ready.");
});
