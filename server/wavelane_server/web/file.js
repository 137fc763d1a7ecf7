// @ts-check
/** Audio files: their bytes go to the server as they are, which finds out what they contain. */

/** Pause between two looks at what the player has played (ms). */
const POLL_MS = 20;

/**
 * Send a file, as fast as the connection allows or as a player plays it.
 * @param {import("./client/index.js").Stream} stream
 * @param {File} file
 * @param {HTMLMediaElement | null} player plays the file, and paces it
 */
export async function sendFile(stream, file, player) {
  let over = false;
  const stop = () => void (over = true);
  stream.done.then(stop, stop);
  for (let sent = 0; player && sent < file.size && !over; await new Promise((resolve) => setTimeout(resolve, POLL_MS))) {
    const allowed = player.ended || player.error ? file.size : (file.size * player.currentTime) / player.duration;
    if (allowed > sent) void stream.send(file.slice(sent, Math.ceil(allowed)));
    sent = Math.max(sent, Math.ceil(allowed));
  }
  if (!player) void stream.send(file);
  stream.end();
}

/** Where a playing file's audio stands in time. */
export class PlayerClock {
  #player;
  /** @type {number | null} */
  #heardFrom = null; // when the beginning was heard, or would have been without pauses (ms)

  /** @param {HTMLMediaElement | null} player */
  constructor(player) {
    this.#player = player;
    if (player) player.ontimeupdate = () => this.#look();
  }

  #look() {
    const player = this.#player;
    if (player && !player.paused) this.#heardFrom = performance.now() - player.currentTime * 1000;
  }

  /**
   * @param {number} position s
   * @returns {number | null} when the audio there was heard (ms); null if the file is not played
   */
  capturedAt(position) {
    this.#look();
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
  player.ontimeupdate = null;
  URL.revokeObjectURL(player.src);
  player.removeAttribute("src");
}
