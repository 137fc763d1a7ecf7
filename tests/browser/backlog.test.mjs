import assert from "node:assert/strict";
import { test } from "node:test";
import { MicrophoneSource } from "../../server/wavelane_server/web/backlog.js";
import { CaptureClock } from "../../server/wavelane_server/web/clock.js";

const RATE = 1000;
/** A second of samples that all are `value`. */
const second = (value) => new Int16Array(RATE).fill(value);
function filled(seconds, capacity = 60) {
  const source = new MicrophoneSource(RATE, capacity);
  for (let index = 0; index < seconds; index += 1) source.append(second(index), index * 1000);
  return source;
}
function drain(source) {
  const values = [];
  for (let block = source.next(); block; block = source.next()) values.push(block[0]);
  return values;
}

test("audio is sent once and in order, and again from what is not acknowledged", () => {
  const source = filled(5);
  assert.deepEqual(drain(source), [0, 1, 2, 3, 4]);
  assert.equal(source.sent, 5);
  source.acknowledge(2.5);
  assert.equal(source.rewind(), 2, "never later than what is needed");
  assert.deepEqual(drain(source), [2, 3, 4]);
});

test("what was not sent can't be acknowledged away", () => {
  const source = filled(3);
  source.next();
  source.acknowledge(99);
  assert.deepEqual(drain(source), [1, 2]);
});

test("sent audio falls out silently, unsent audio is counted as lost", () => {
  const source = filled(3, 3);
  drain(source);
  source.append(second(3), 0);
  source.append(second(4), 0);
  assert.equal(source.takeLost(), 0);
  assert.equal(source.rewind(), 2);
  source.append(second(5), 0);
  assert.equal(source.takeLost(), 1);
  assert.equal(source.takeLost(), 0);
  assert.equal(source.sent, 3);
  assert.deepEqual(drain(source), [3, 4, 5]);
});

test("it is exhausted only when ended and sent", () => {
  const source = filled(1);
  source.next();
  assert.equal(source.exhausted, false);
  source.ended = true;
  assert.equal(source.exhausted, true);
  source.rewind();
  assert.equal(source.exhausted, false);
  assert.equal(source.waiting, 1);
});

test("an empty source has positions too", () => {
  const source = new MicrophoneSource(RATE);
  assert.deepEqual([source.sent, source.received, source.rewind(), source.next(), source.capturedAt(0)], [0, 0, 0, null, null]);
});

test("the capture clock trusts the earliest arrivals", () => {
  const clock = new CaptureClock();
  const late = [5, 0, 40, 3, 200, 1];
  late.forEach((delay, index) => clock.observe(index + 1, 10_000 + (index + 1) * 1000 + delay));
  assert.equal(clock.capturedAt(3), 13_000);
});

test("the capture clock follows drift and goes on after a pause", () => {
  const clock = new CaptureClock();
  for (let position = 1; position <= 3600; position += 1) clock.observe(position, position * 1000.1);
  assert.ok(Math.abs(clock.capturedAt(3600) - 3600 * 1000.1) < 3, "100 ppm for an hour would be 360 ms");
  clock.pause();
  clock.observe(3601, 3_700_000);
  assert.equal(clock.capturedAt(3601), 3_700_000);
  assert.ok(clock.capturedAt(3599) < 3_600_400, "positions before the pause keep their time");
});
