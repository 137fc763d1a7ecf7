import assert from "node:assert/strict";
import { test } from "node:test";
import { EventChannel } from "../../server/wavelane_server/web/client/events.js";

const partial = (utterance, text) => ({ type: "partial", channel: 0, utterance, text });
const final = (utterance) => ({ type: "final", channel: 0, utterance });
async function all(channel) {
  const events = [];
  for await (const event of channel) events.push(event);
  return events;
}

test("events wait for their iterator", async () => {
  const channel = new EventChannel();
  channel.tell(final(0));
  const reading = all(channel);
  await Promise.resolve();
  channel.tell(final(1));
  channel.finish(null);
  assert.deepEqual(await reading, [final(0), final(1)]);
});

test("what ended the stream is thrown after the last event", async () => {
  const channel = new EventChannel();
  channel.tell(final(0));
  channel.finish(new Error("gone"));
  assert.deepEqual((await channel.next()).value, final(0));
  await assert.rejects(channel.next(), /gone/);
});

test("many unread events lose replaced partials and nothing else", async () => {
  const channel = new EventChannel();
  for (let index = 0; index < 300; index += 1) {
    for (let step = 0; step < 3; step += 1) channel.tell(partial(index, String(step)));
    channel.tell(final(index));
  }
  channel.finish(null);
  const events = await all(channel);
  assert.deepEqual(events.filter(({ type }) => type === "final"), Array.from({ length: 300 }, (_, index) => final(index)));
  assert.deepEqual(events.filter(({ type, utterance }) => type === "partial" && utterance === 299), [partial(299, "2")]);
});

test("handlers get what waited, in order, and what comes", async () => {
  const channel = new EventChannel();
  channel.tell(partial(0, "a"));
  channel.tell(final(0));
  const got = [];
  const off = channel.on("final", (event) => got.push(event));
  channel.on("partial", (event) => got.push(event));
  channel.tell(final(1));
  await Promise.resolve();
  assert.deepEqual(got, [partial(0, "a"), final(0), final(1)]);
  off();
  channel.tell(final(2));
  channel.tell(partial(3, "b"));
  assert.deepEqual(got.slice(3), [partial(3, "b")]);
  assert.throws(() => channel[Symbol.asyncIterator](), /handlers already/);
});

test("an iterator that is there first shares with handlers", async () => {
  const channel = new EventChannel();
  const reading = all(channel);
  const got = [];
  channel.on("final", (event) => got.push(event));
  channel.tell(final(0));
  channel.finish(null);
  assert.deepEqual([await reading, got], [[final(0)], [final(0)]]);
});
