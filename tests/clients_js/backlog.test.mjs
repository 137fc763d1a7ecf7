import assert from "node:assert/strict";
import { test } from "node:test";
import { Backlog } from "../../server/wavelane_server/web/client/backlog.js";
import { CaptureClock } from "../../server/wavelane_server/web/client/clock.js";

const RATE = 1000;
/** A second of 16-bit mono samples whose bytes all are `value`. */
const second = (value) => new Uint8Array(2 * RATE).fill(value);
function filled(seconds) {
  const backlog = new Backlog({ frame: 2, rate: RATE });
  for (let index = 0; index < seconds; index += 1) backlog.append(second(index));
  return backlog;
}
function drain(backlog) {
  const values = [];
  for (let item = backlog.next(); item !== null; item = backlog.next()) values.push(typeof item === "string" ? item : item[0]);
  return values;
}

test("audio is sent once and in order, and again from what is not acknowledged, to the sample", () => {
  const backlog = filled(5);
  assert.deepEqual(drain(backlog), [0, 1, 2, 3, 4]);
  assert.equal(backlog.sent, 5);
  backlog.acknowledge(2.5);
  assert.equal(backlog.rewind(), 2.5);
  assert.equal(backlog.next().byteLength, RATE);
  assert.deepEqual(drain(backlog), [3, 4]);
});

test("what was not sent can't be acknowledged away", () => {
  const backlog = filled(3);
  backlog.next();
  backlog.acknowledge(99);
  assert.deepEqual(drain(backlog), [1, 2]);
});

test("sent audio falls out silently, unsent audio is counted as lost", () => {
  const backlog = filled(5);
  drain(backlog);
  backlog.trim(3);
  assert.equal(backlog.takeLost(), 0);
  assert.equal(backlog.rewind(), 2);
  backlog.append(second(5));
  backlog.trim(3);
  assert.equal(backlog.takeLost(), 1);
  assert.equal(backlog.takeLost(), 0);
  assert.equal(backlog.sent, 3);
  assert.deepEqual(drain(backlog), [3, 4, 5]);
});

test("it is exhausted only when ended and sent", () => {
  const backlog = filled(1);
  backlog.next();
  assert.equal(backlog.exhausted, false);
  backlog.end();
  assert.equal(backlog.exhausted, true);
  backlog.rewind();
  assert.equal(backlog.exhausted, false);
  assert.equal(backlog.waiting, 1);
});

test("an empty backlog has positions too", () => {
  const backlog = new Backlog({ frame: 2, rate: RATE });
  assert.deepEqual([backlog.sent, backlog.received, backlog.rewind(), backlog.next(), backlog.kept], [0, 0, 0, null, 0]);
});

test("bytes may be cut anywhere, and may be the caller's again at once", () => {
  const backlog = new Backlog({ frame: 4, rate: RATE });
  const buffer = new Uint8Array(7);
  let value = 0;
  for (const size of [1, 2, 7, 3, 5, 2]) {
    const part = buffer.subarray(0, size);
    for (let index = 0; index < size; index += 1) part[index] = value++;
    backlog.append(part);
    part.fill(255);
  }
  const items = [];
  for (let item = backlog.next(); item; item = backlog.next()) items.push(item);
  assert.deepEqual(items.flatMap((item) => [...item]), [...Array(20).keys()]);
  assert.ok(items.every((item) => item.byteLength % 4 === 0));
  backlog.append(new Uint8Array(3));
  assert.equal(backlog.next(), null);
  backlog.end();
  assert.equal(backlog.next().byteLength, 3, "the server is to say that it is no sample");
});

test("large audio goes in messages of a size", () => {
  const backlog = new Backlog(null);
  backlog.append(new Blob([new Uint8Array(20_000)]));
  backlog.append(new Uint8Array(9_000));
  const sizes = [];
  for (let item = backlog.next(); item; item = backlog.next()) sizes.push(item.size ?? item.byteLength);
  assert.deepEqual(sizes, [8192, 8192, 3616, 8192, 808]);
});

test("a container is sent again from its beginning, and kept whatever is acknowledged", () => {
  const backlog = new Backlog(null);
  backlog.append(Uint8Array.of(1));
  backlog.append(Uint8Array.of(2));
  drain(backlog);
  backlog.acknowledge(99);
  backlog.trim(0);
  assert.equal(backlog.rewind(), 0);
  assert.deepEqual(drain(backlog), [1, 2]);
});

test("a command keeps its place and is sent again until it is answered", () => {
  const backlog = filled(1);
  backlog.mark("flush");
  backlog.append(second(1));
  backlog.answered();
  assert.deepEqual(drain(backlog), [0, "flush", 1], "what was not sent can't be answered");
  backlog.acknowledge(1);
  assert.equal(backlog.rewind(), 1);
  assert.deepEqual(drain(backlog), ["flush", 1]);
  backlog.answered();
  backlog.rewind();
  assert.deepEqual(drain(backlog), [1]);
});

test("a command among audio that is lost stays", () => {
  const backlog = filled(2);
  backlog.mark("flush");
  backlog.append(second(2));
  backlog.trim(1);
  assert.deepEqual([backlog.takeLost(), backlog.sent, backlog.kept], [2, 2, 1]);
  backlog.trim(0);
  assert.deepEqual(drain(backlog), ["flush"]);
});

test("the capture clock trusts the earliest arrivals", () => {
  const clock = new CaptureClock();
  const late = [5, 0, 40, 3, 200, 1];
  late.forEach((delay, index) => clock.observe(index + 1, 10_000 + (index + 1) * 1000 + delay));
  assert.equal(clock.capturedAt(3), 13_000);
});

test("the capture clock follows drift and goes on after a pause", () => {
  const clock = new CaptureClock();
  assert.equal(clock.capturedAt(0), null);
  for (let position = 1; position <= 3600; position += 1) clock.observe(position, position * 1000.1);
  assert.ok(Math.abs(clock.capturedAt(3600) - 3600 * 1000.1) < 3, "100 ppm for an hour would be 360 ms");
  clock.pause();
  clock.observe(3601, 3_700_000);
  assert.equal(clock.capturedAt(3601), 3_700_000);
  assert.ok(clock.capturedAt(3599) < 3_600_400, "positions before the pause keep their time");
});
