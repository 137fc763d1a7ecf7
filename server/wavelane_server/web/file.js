// @ts-check
/** An audio file as a source: its bytes go to the server as they are, which finds out what they contain. */

/** Bytes for one message: a few seconds of Opus, so that the server can hold back in time. */
const SLICE_BYTES = 8 * 1024;

/**
 * See `AudioSource` in stream.js. Bytes can't be continued in the middle of a container, so after an interruption the
 * file is sent again from its start; what is already final is recognised by its time and not shown twice.
 */
export class FileSource {
  #offset = 0;
  #player;
  /** @type {number | null} */
  #heardFrom = null; // when the beginning was heard, or would have been without pauses (ms)

  /**
   * @param {File} file
   * @param {HTMLMediaElement | null} player plays the file, and paces it; null sends as fast as the connection allows
   */
  constructor(file, player) {
    this.file = file;
    this.#player = player;
    this.format = { encoding: "container" };
  }

  get polled() {
    return this.#player !== null && !this.exhausted;
  }

  get exhausted() {
    return this.#offset >= this.file.size;
  }

  /** Unknown: positions inside a container can't be told from bytes. */
  get sent() {
    return 0;
  }

  /** @returns {Blob | null} */
  next() {
    const end = Math.min(this.#offset + SLICE_BYTES, this.#allowed());
    if (end <= this.#offset) return null;
    const slice = this.file.slice(this.#offset, end);
    this.#offset = end;
    return slice;
  }

  /** Bytes that may be sent by now. */
  #allowed() {
    const player = this.#player;
    if (!player || player.ended || player.error) return this.file.size;
    if (!player.paused) this.#heardFrom = performance.now() - player.currentTime * 1000;
    return Math.ceil((this.file.size * player.currentTime) / player.duration);
  }

  acknowledge() {}

  rewind() {
    this.#offset = 0;
    return 0;
  }

  takeLost() {
    return 0;
  }

  /**
   * @param {number} position s
   * @returns {number | null} when the audio there was heard (ms); null if the file is not played
   */
  capturedAt(position) {
    return this.#heardFrom === null ? null : this.#heardFrom + position * 1000;
  }
}

/**
 * Prepare a file for playing.
 * @param {File} file
 * @returns {Promise<HTMLAudioElement | null>} null if this browser cannot play it, or does not know how long it is
 */
export function openPlayer(file) {
  const player = new Audio();
  player.preload = "auto";
  player.src = URL.createObjectURL(file);
  return new Promise((resolve) => {
    player.onloadedmetadata = () => resolve(Number.isFinite(player.duration) && player.duration > 0 ? player : null);
    player.onerror = () => resolve(null);
  });
}

/** @param {HTMLMediaElement} player */
export function closePlayer(player) {
  player.pause();
  URL.revokeObjectURL(player.src);
  player.removeAttribute("src");
}
