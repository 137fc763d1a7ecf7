// @ts-check
/**
 * One recognition over as many connections as it takes: configures, sends audio as fast as the connection takes it,
 * notices dead connections, tries again with growing pauses, and sends again what the broken session had not finished.
 *
 * @typedef {import("./state.js").Action} Action
 * @typedef {import("./protocol.js").Message} Message
 *
 * @typedef {object} AudioSource  positions are seconds since the start of the source
 * @property {Record<string, unknown>} format  options that describe the audio
 * @property {boolean} exhausted  all is sent and nothing more will come
 * @property {boolean} polled  `next` will have more by itself, without a call of `pump`
 * @property {number} sent  position up to which audio was sent on this connection
 * @property {() => (Int16Array | Blob | null)} next  the next audio to send, null if there is none now
 * @property {(position: number) => void} acknowledge  audio before this position is not needed any more
 * @property {() => number} rewind  back to what is not acknowledged, for a new connection; returns the position
 * @property {() => number} takeLost  seconds that an interruption cost since the last call
 */
import { END, FLUSH, KEEPALIVE, ProtocolError, backoff, configure, explainClose, parse, reconfigure } from "./protocol.js";

/** Audio that may wait inside the browser's socket (bytes); beyond it, it waits in the source, where it can be re-sent. */
const SOCKET_BYTES = 256 * 1024;
/** Pause before asking the socket again whether it has room (ms); WebSocket has no event for it. */
const POLL_MS = 20;
/** A server that says nothing for so long is asked for its configuration, and given up if it does not answer (ms). */
const PROBE_MS = 8_000;
const DEAD_MS = 14_000;
/** Longest time without a message from us (ms): keeps the session while muted. */
const KEEPALIVE_MS = 15_000;
/** Sent again when a connection breaks in silence: what may still have been on its way to the detector (s). */
const UNDECIDED_SECONDS = 10;
/** Audio kept before the onset of speech (s): more than any pre-roll of use. */
const ONSET_SECONDS = 2;
/** A connection that lasted so long was a good one: the next pause starts from the shortest again (ms). */
const SETTLED_MS = 10_000;
/** A file that cannot be finished in so many connections without getting further is given up. */
const FILE_ATTEMPTS = 6;

export class RecognitionStream {
  /** @type {WebSocket | null} */
  #socket = null;
  #opened = false;
  #ready = false;
  #origin = 0;
  #clockRate = 16_000;
  #attempt = 0;
  #utterance = false; // an utterance is open: its audio must be kept
  /** @type {import("./protocol.js").Failure | null} */
  #failure = null;
  #finishing = false;
  #endSent = false;
  #closed = false; // the server said that it is done
  #confirmed = 0; // end of the last final (s)
  #readySince = 0;
  #lastHeard = 0;
  #lastSent = 0;
  #probed = false;
  #over = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retryTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pumpTimer;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #heartbeat;
  /** @type {() => void} */
  #resolve = () => {};

  /**
   * @param {object} parameters
   * @param {string} parameters.url of `/v1/stream`
   * @param {AudioSource} parameters.source
   * @param {Record<string, unknown>} parameters.options session options other than the source's format
   * @param {(action: Action) => void} parameters.dispatch told of everything that happens
   * @param {boolean} [parameters.limited] give up after several attempts (a file) instead of never (a microphone)
   * @param {typeof WebSocket} [parameters.Socket]
   * @param {() => number} [parameters.now] ms, monotonic
   */
  constructor({ url, source, options, dispatch, limited = false, Socket = WebSocket, now = () => performance.now() }) {
    this.url = url;
    this.source = source;
    this.options = options;
    this.dispatch = dispatch;
    this.limited = limited;
    this.Socket = Socket;
    this.now = now;
    /** Resolves when the recognition is over, for whatever reason. */
    this.done = new Promise((resolve) => {
      this.#resolve = () => resolve(undefined);
    });
  }

  start() {
    this.#heartbeat = setInterval(() => this.#beat(), 1000);
    this.#open();
  }

  /** Send what the source has. To be called when it has more. */
  pump() {
    clearTimeout(this.#pumpTimer);
    const socket = this.#socket;
    if (!socket || !this.#ready || this.#endSent) return;
    while (socket.bufferedAmount < SOCKET_BYTES) {
      const audio = this.source.next();
      if (!audio) break;
      socket.send(/** @type {Int16Array<ArrayBuffer> | Blob} */ (audio));
      this.#lastSent = this.now();
    }
    if (this.source.exhausted) {
      this.#endSent = true;
      this.#send(END);
    } else if (this.source.polled || socket.bufferedAmount >= SOCKET_BYTES) {
      this.#pumpTimer = setTimeout(() => this.pump(), POLL_MS);
    }
  }

  /** The source has ended: recognise the rest, then resolve `done`. */
  finish() {
    if (this.#finishing) return;
    this.#finishing = true;
    this.dispatch({ type: "finishing" });
    this.pump();
  }

  /**
   * Give up at once. What is unfinished stays unfinished.
   * @param {string | null} [error] why, if it is not the user's wish
   */
  abort(error = null) {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#pumpTimer);
    clearInterval(this.#heartbeat);
    const socket = this.#detach();
    socket?.close(1000);
    if (!this.#over) {
      this.#over = true;
      this.dispatch({ type: "stopped", error });
      this.#resolve();
    }
  }

  /** Finalise what was heard and stay open. */
  flush() {
    if (this.#ready && !this.#endSent) this.#send(FLUSH);
  }

  /**
   * Change options while the session runs; later connections get them too.
   * @param {Record<string, unknown>} changes
   */
  reconfigure(changes) {
    this.options = { ...this.options, ...changes };
    if (this.#ready && !this.#endSent) this.#send(reconfigure(changes));
  }

  /** Do not wait for the next attempt: the network is back. */
  retryNow() {
    if (this.#socket || this.#over) return;
    clearTimeout(this.#retryTimer);
    this.#open();
  }

  #open() {
    this.dispatch({ type: "opening" });
    this.#failure = null;
    this.#opened = false;
    this.#closed = false;
    this.#endSent = false;
    this.#probed = false;
    this.#lastHeard = this.now();
    const socket = new this.Socket(this.url);
    this.#socket = socket;
    socket.onopen = () => {
      this.#opened = true;
      this.#send(configure({ ...this.options, ...this.source.format }));
    };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#disconnected(event.code);
  }

  /** @param {string} text */
  #send(text) {
    if (this.#socket?.readyState !== 1) return;
    this.#socket.send(text);
    this.#lastSent = this.now();
  }

  /** @param {unknown} data */
  #receive(data) {
    this.#lastHeard = this.now();
    this.#probed = false;
    let message;
    try {
      message = parse(data);
    } catch (error) {
      if (error instanceof ProtocolError) return this.abort(error.message);
      throw error;
    }
    if (!message) return;
    if (message.type === "ready") {
      this.#origin = this.source.rewind();
      this.#clockRate = message.clock_rate;
      this.#ready = true;
      this.#readySince = this.now();
      this.#utterance = false;
      const lost = this.source.takeLost();
      if (lost > 0) this.dispatch({ type: "gap", seconds: lost });
    }
    this.#keepWhatIsOpen(message);
    if (message.type === "error" && message.fatal) this.#failure = message;
    if (message.type === "closed") this.#closed = true;
    this.dispatch({ type: "message", message, origin: this.#origin });
    if (message.type === "ready") this.pump();
    if (this.#closed && this.#endSent && !this.#failure) this.abort();
  }

  /**
   * Tell the source what it need not keep: everything before the utterance in progress.
   * @param {Message} message
   */
  #keepWhatIsOpen(message) {
    const seconds = (/** @type {number} */ at) => this.#origin + at / this.#clockRate;
    if (message.type === "speech_started") {
      if (!this.#utterance) this.source.acknowledge(seconds(message.at) - ONSET_SECONDS);
      this.#utterance = true;
    } else if (message.type === "partial") {
      this.#utterance = true;
    } else if (message.type === "final") {
      this.#utterance = false;
      if (seconds(message.end) > this.#confirmed) {
        this.#confirmed = seconds(message.end);
        this.#attempt = 0; // it gets on
      }
      this.source.acknowledge(seconds(message.end));
    } else if (message.type === "flushed") {
      this.#utterance = false;
      this.source.acknowledge(seconds(message.at));
    }
  }

  /** Forget the socket without hearing of its end. */
  #detach() {
    const socket = this.#socket;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    this.#socket = null;
    this.#ready = false;
    return socket;
  }

  /** @param {number} code */
  #disconnected(code) {
    const [wasReady, opened] = [this.#ready, this.#opened];
    this.#detach()?.close();
    clearTimeout(this.#pumpTimer);
    const { retry, reason } = explainClose(code, this.#failure, wasReady);
    if (!retry) return this.abort(reason);
    if (this.limited && this.#attempt >= FILE_ATTEMPTS) return this.abort(`${reason} The file could not be finished.`);
    if (wasReady) {
      if (!this.#utterance) this.source.acknowledge(this.source.sent - UNDECIDED_SECONDS);
      this.source.rewind(); // from here on, audio that falls out of the source is lost and is counted
    }
    const pause = backoff(this.#attempt, Math.random());
    this.#attempt += 1;
    this.dispatch({ type: "interrupted", retryAt: this.now() + pause, reason, refused: !opened });
    this.#retryTimer = setTimeout(() => this.#open(), pause);
  }

  #beat() {
    if (!this.#socket) return;
    const silent = this.now() - this.#lastHeard;
    if (this.#ready && this.now() - this.#readySince > SETTLED_MS) this.#attempt = 0;
    if (silent > DEAD_MS) {
      this.#disconnected(1006);
    } else if (silent > PROBE_MS && this.#ready && !this.#probed) {
      this.#probed = true;
      this.#send(reconfigure());
    } else if (this.#ready && this.now() - this.#lastSent > KEEPALIVE_MS) {
      this.#send(KEEPALIVE);
    }
  }
}
