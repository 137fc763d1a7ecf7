import assert from "node:assert/strict";
import { test } from "node:test";
import { WavelaneError, explainClose } from "../../server/wavelane_server/web/client/errors.js";
import { address, backoff, configure, merged, parse, reconfigure, subprotocols } from "../../server/wavelane_server/web/client/protocol.js";

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
  for (const bad of ["<html>", "null", "[]", '{"type":"flushed"}', '{"type":"ready","session":"s","clock_rate":16000,"config":null,"model":{}}',
    '{"type":"final","channel":0,"utterance":0,"alternatives":[],"start":0,"end":1,"processed":1}']) {
    assert.throws(() => parse(bad), WavelaneError, bad);
  }
  assert.equal(parse('{"type":"toString"}'), null);
});

test("a close is tried again unless the same request would fail again", () => {
  assert.equal(explainClose(1006, null, true).temporary, true);
  assert.equal(explainClose(1013, null, false).temporary, true);
  assert.equal(explainClose(4400, null, false).temporary, false);
  const refused = explainClose(4400, { code: "invalid_config", message: "lookahead 3 is not one of 13, 6" }, false);
  assert.deepEqual([refused.code, refused.message, refused.temporary], ["invalid_config", "Lookahead 3 is not one of 13, 6.", false]);
  const full = explainClose(1013, { code: "overloaded", message: "all lanes are taken" }, false);
  assert.deepEqual([full.code, full.message, full.temporary], ["overloaded", "All lanes are taken.", true]);
});

test("back-off doubles up to 8 s and is spread", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 99].map((attempt) => backoff(attempt, 0.5)), [500, 1000, 2000, 4000, 8000, 8000, 8000]);
  assert.equal(backoff(0, 0), 375);
  assert.ok(backoff(4, 0.999) < 10_000);
});

test("addresses are those of the stream, of a server, or of a server behind a prefix", () => {
  for (const [given, stream, base] of [
    ["ws://h:1", "ws://h:1/v1/stream", "http://h:1/"],
    ["http://h:1/", "ws://h:1/v1/stream", "http://h:1/"],
    ["https://h/asr", "wss://h/asr/v1/stream", "https://h/asr/"],
    ["wss://h/asr/v1/stream?x=1", "wss://h/asr/v1/stream?x=1", "https://h/asr/"],
  ]) assert.deepEqual(address(given), { stream, base });
  for (const bad of ["h:1", "grpc://h:1", "", "/v1/stream"]) assert.throws(() => address(bad), { code: "invalid_config" });
});

test("a key goes as a subprotocol, or not at all", () => {
  assert.deepEqual(subprotocols(undefined), []);
  assert.deepEqual(subprotocols("k-1_~"), ["wavelane", "token.k-1_~"]);
  for (const bad of ["", "a b", "a/b", "a=", "ä", "a,b"]) assert.throws(() => subprotocols(bad), { code: "invalid_config" });
});

test("changes are merged as the server merges them", () => {
  const options = { lookahead: 6, hotwords: ["a"], text: { itn: true, replace: { a: "b" } } };
  assert.deepEqual(merged(options, { hotwords: ["c"], lm: null, text: { capitals: true, replace: { c: "d" } } }), {
    lookahead: 6, hotwords: ["c"], lm: null, text: { itn: true, capitals: true, replace: { c: "d" } },
  });
});
