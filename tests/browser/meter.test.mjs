import assert from "node:assert/strict";
import { test } from "node:test";
import { meterHeight } from "../../server/wavelane_server/web/meter.js";
import { modelOf } from "../../server/wavelane_server/web/model.js";

test("the meter is linear in decibels over 60 dB", () => {
  assert.deepEqual([0, 0.001, 1, 2].map(meterHeight), [0, 0, 1, 1]);
  assert.ok(Math.abs(meterHeight(10 ** -1.5) - 0.5) < 1e-9);
});

test("the model comes from the list of models, or not at all", () => {
  const model = { id: "small", languages: ["en"], lookaheads: [13, 0], default_lookahead: 13 };
  assert.equal(modelOf({ object: "list", data: [model] }).name, "small");
  for (const other of [null, {}, { data: [] }, { data: [{ id: "x" }] }, "x"]) assert.equal(modelOf(other), null);
});
