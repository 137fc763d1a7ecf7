// @ts-check
/**
 * Microphone audio that the server may still need. A session that breaks takes the audio of its unfinished utterance
 * with it; what is kept here is sent again to the next session, so that no word is lost.
 * Positions are seconds of captured audio since the start of the capture.
 */
import { CaptureClock } from "./clock.js";

/** Microphone audio that outlives an interruption (s). The longest utterance is 30 s by default. */
export const KEPT_SECONDS = 60;

/** A source of audio that can go back to what is not yet acknowledged. See `FileSource` for the other one. */
export class MicrophoneSource {
  /** @type {{start: number, samples: Int16Array}[]} `start` in samples */
  #blocks = [];
  #cursor = 0; // index of the first block not yet sent on this connection
  #received = 0; // samples
  #lost = 0; // samples dropped before they were sent
  #clock = new CaptureClock();

  /**
   * @param {number} sampleRate Hz
   * @param {number} [capacity] s
   */
  constructor(sampleRate, capacity = KEPT_SECONDS) {
    this.sampleRate = sampleRate;
    this.capacity = capacity;
    /** Its owner calls `pump` whenever audio was appended. */
    this.polled = false;
    /** No more audio will be appended. */
    this.ended = false;
  }

  /** Options that describe the audio. */
  get format() {
    return { encoding: "linear16", sample_rate: this.sampleRate, channels: 1 };
  }

  /** All that was appended is sent, and nothing more comes. */
  get exhausted() {
    return this.ended && this.#cursor === this.#blocks.length;
  }

  /** Position up to which audio was sent on this connection. */
  get sent() {
    const next = this.#blocks[this.#cursor];
    return (next ? next.start : this.#received) / this.sampleRate;
  }

  /** Seconds captured so far. */
  get received() {
    return this.#received / this.sampleRate;
  }

  /** Seconds that wait to be sent. */
  get waiting() {
    return this.received - this.sent;
  }

  /**
   * @param {Int16Array} samples mono
   * @param {number} now time of arrival (ms)
   */
  append(samples, now) {
    this.#blocks.push({ start: this.#received, samples });
    this.#received += samples.length;
    this.#clock.observe(this.received, now);
    while (this.#received - this.#blocks[0].start > this.capacity * this.sampleRate) {
      const [dropped] = this.#blocks.splice(0, 1);
      if (this.#cursor > 0) this.#cursor -= 1;
      else this.#lost += dropped.samples.length;
    }
  }

  /** The capture paused (mute): time goes on, positions do not. */
  pause() {
    this.#clock.pause();
  }

  /** @returns {Int16Array | null} the next block to send */
  next() {
    const block = this.#blocks[this.#cursor];
    if (!block) return null;
    this.#cursor += 1;
    return block.samples;
  }

  /**
   * Audio before this position is not needed any more.
   * @param {number} position s
   */
  acknowledge(position) {
    const limit = position * this.sampleRate + 0.5;
    let done = 0;
    while (done < this.#cursor && this.#blocks[done].start + this.#blocks[done].samples.length <= limit) done += 1;
    this.#blocks.splice(0, done);
    this.#cursor -= done;
  }

  /**
   * Go back to the earliest audio kept, for a new connection.
   * @returns {number} its position (s)
   */
  rewind() {
    this.#cursor = 0;
    return this.sent;
  }

  /** Seconds that were dropped unsent since the last call: the interruption was longer than what is kept. */
  takeLost() {
    const lost = this.#lost / this.sampleRate;
    this.#lost = 0;
    return lost;
  }

  /**
   * @param {number} position s
   * @returns {number | null} when the audio there was captured (ms)
   */
  capturedAt(position) {
    return this.#clock.capturedAt(position);
  }
}
