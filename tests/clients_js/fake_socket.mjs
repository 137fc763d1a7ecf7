/** A WebSocket and a clock for tests of streams. */
import { mock } from "node:test";

export const READY = { type: "ready", session: "s", clock_rate: 16000, config: {}, model: {} };

/** A WebSocket whose server is the test. */
export class FakeSocket {
  static all = [];
  static get last() {
    return FakeSocket.all.at(-1);
  }
  readyState = 0;
  bufferedAmount = 0;
  sent = [];
  constructor(url, protocols) {
    Object.assign(this, { url, protocols });
    FakeSocket.all.push(this);
  }
  send(data) {
    this.sent.push(data);
  }
  close() {
    this.readyState = 3;
  }
  open() {
    this.readyState = 1;
    this.onopen();
  }
  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
  break(code = 1006) {
    this.readyState = 3;
    this.onclose({ code });
  }
  begin() {
    this.open();
    this.say(READY);
  }
  get controls() {
    return this.sent.filter((data) => typeof data === "string").map((data) => JSON.parse(data));
  }
  /** Every second of audio by its value. */
  get audio() {
    return this.sent.filter((data) => typeof data !== "string").flatMap((bytes) => [...new Set(bytes)]);
  }
}

let time = 0;

/** Let time pass, in steps in which timers run. */
export function tick(ms) {
  for (let left = ms; left > 0; left -= 250) {
    time += Math.min(250, left);
    mock.timers.tick(Math.min(250, left));
  }
}

/** A world without connections in which time stands still, and no server answers over HTTP. */
export function begin() {
  mock.reset();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  mock.method(performance, "now", () => time);
  mock.method(globalThis, "fetch", () => Promise.reject(new TypeError("nothing there")));
  FakeSocket.all = [];
  time = 0;
}
