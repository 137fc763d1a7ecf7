/**
 * One recognition over as many connections as it takes: sends audio as fast as the connection takes it, notices dead
 * connections, tries again with growing pauses, and sends again what the broken session had not finished.
 */
import { Backlog, type RawFormat } from "./backlog.js";
import { Deferred } from "./deferred.js";
import { WavelaneError, explainClose, explainRefusal } from "./errors.js";
import { EventChannel, type EventOf, type StreamEvent } from "./events.js";
import * as protocol from "./protocol.js";
import type { Changes, Correction, Options } from "./protocol.js";
import type { FailureEvent, ReadyEvent, ServerMessage } from "./schema.js";
import type { Connecting, Socket } from "./socket.js";
import { Timeline } from "./timeline.js";

/** What `send` takes: bytes in the session's encoding, cut anywhere; of a container also a Blob. */
export type Audio = ArrayBuffer | ArrayBufferView | Blob;

/** Audio that may wait inside the socket (bytes); beyond it, it waits here, where it can be sent again. */
const SOCKET_BYTES = 256 * 1024;
/** Pause before asking the socket again whether it has room (ms); WebSocket has no event for it. */
const POLL_MS = 20;
/** A server that says nothing for so long is asked for its configuration, and given up if it does not answer (ms). */
const PROBE_MS = 8_000;
const DEAD_MS = 14_000;
/** The same without partials and faster than real time: the question waits behind audio that takes its time (ms). */
const QUIET_MS = 60_000;
/** Longest time without a message from us (ms): keeps the session while no audio flows. */
const KEEPALIVE_MS = 15_000;
/** Live audio is decided so long after it was sent, even on a bad line (s). */
const UNDECIDED_SECONDS = 10;
/** A connection that lasted so long was a good one: the next pause starts from the shortest again (ms). */
const SETTLED_MS = 10_000;

const SAMPLE_BYTES = { linear16: 2, float32: 4, mulaw: 1, alaw: 1 };

export class Stream implements AsyncIterable<StreamEvent> {
  /** The server's last answer to the configuration; null before the first. */
  ready: EventOf<"ready"> | null = null;
  /** Resolves when the last event was told; rejects with the `WavelaneError` that ended the stream. */
  readonly done: Promise<void>;
  /** Audio that an interruption may take (s). */
  readonly keepSeconds: number;

  #address: protocol.Address;
  #options: Options;
  #apiKey: string | undefined;
  #retries: number;
  #Socket: NonNullable<Connecting["WebSocket"]>;
  #events = new EventChannel();
  #backlog: Backlog;
  #timeline = new Timeline();
  #socket: Socket | null = null;
  #opened = false;
  #live = false; // the session is ready
  #attempt = 0;
  #failure: FailureEvent | null = null;
  #asked: (Changes | null)[] = []; // changes that are not answered; null for what need not be asked again
  #endSent = false;
  #closed = false; // the server said that it is done
  #limit: number; // audio to keep while there is no session (s)
  #origin = 0; // where this session's audio began (s)
  #readySince = 0;
  #lastHeard = 0;
  #lastSent = 0;
  #probed = false;
  #ended = false;
  #over: { error: WavelaneError | null } | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #pumpTimer: ReturnType<typeof setTimeout> | undefined;
  #heartbeat: ReturnType<typeof setInterval>;
  #patient = true; // goes on trying before the first session
  #first = new Deferred();
  #finish = new Deferred();
  #room: Deferred | null = null;

  /**
   * Opens at once, and goes on trying if no server answers; {@link connect} fails instead.
   * @param url `ws://`, `wss://`, `http://` or `https://` with host and port
   * @param options of the session; they describe the audio too
   * @throws WavelaneError `invalid_config`
   */
  constructor(url: string | URL, options: Options = {}, connecting: Connecting = {}) {
    const Socket = connecting.WebSocket ?? (globalThis.WebSocket as Connecting["WebSocket"]);
    if (!Socket) {
      throw new WavelaneError("invalid_config", "This Node has no WebSocket: give one, like that of the package ws");
    }
    protocol.subprotocols(connecting.apiKey); // a key that can't be sent is told at once
    this.#address = protocol.address(url);
    this.#options = options;
    this.#apiKey = connecting.apiKey;
    this.#retries = connecting.retries ?? 10;
    this.#Socket = Socket;
    this.keepSeconds = this.#limit = connecting.keepSeconds ?? 60;
    this.#backlog = new Backlog(rawFormat(options));
    this.done = this.#finish.promise;
    this.#heartbeat = setInterval(() => this.#beat(), 1000);
    this.#open();
  }

  /**
   * Open a stream and wait until the server takes audio. Interruptions from then on are bridged.
   * @param url `ws://`, `wss://`, `http://` or `https://` with host and port
   * @param options of the session; they describe the audio too
   * @throws WavelaneError where no server answers, or it refuses
   */
  static async connect(url: string | URL, options?: Options, connecting?: Connecting): Promise<Connected> {
    const stream = new Stream(url, options, connecting);
    stream.#patient = false;
    await stream.#first.promise;
    return stream as Connected;
  }

  /** Audio that waits to be sent (s); 0 for containers, whose bytes have no time. */
  get waiting(): number {
    return this.#backlog.waiting;
  }

  /**
   * Call a function for each event of a type. Without an iterator, events that have no handler are dropped.
   * @returns takes it off again
   */
  on<T extends StreamEvent["type"]>(type: T, handler: (event: EventOf<T>) => void): () => void {
    return this.#events.on(type, handler);
  }

  /** All events, to the last; throws the `WavelaneError` that ended the stream. There is one iterator. */
  [Symbol.asyncIterator](): AsyncIterableIterator<StreamEvent, void> {
    return this.#events[Symbol.asyncIterator]();
  }

  /**
   * Send audio. It is kept until it is recognised, so nothing is lost whether there is a connection or not.
   * @returns resolves when there is room for more: to be awaited by those who have audio faster than real time
   */
  send(audio: Audio): Promise<void> {
    if (this.#over || this.#ended) {
      const refused = new Deferred();
      refused.reject(this.#over?.error ?? OVER);
      return refused.promise;
    }
    if (audio instanceof Blob && this.#options.encoding !== "container") {
      throw new WavelaneError("invalid_config", "A Blob is for the encoding “container”: give raw audio as bytes");
    }
    this.#backlog.append(audio instanceof Blob ? audio : bytesOf(audio));
    this.#pump();
    if (this.#backlog.waitingBytes < SOCKET_BYTES) return Promise.resolve();
    this.#room ??= new Deferred();
    return this.#room.promise;
  }

  /** Finalise all that was sent so far, and stay open; answered by `flushed`. */
  flush(): void {
    if (this.#over || this.#ended) return;
    this.#backlog.mark(protocol.FLUSH);
    this.#pump();
  }

  /** Change options; answered by `configured`, or by `error`. Later connections get what was not refused. */
  reconfigure(changes: Changes): void {
    if (!this.ready && !this.#opened) this.#options = protocol.merged(this.#options, changes);
    else this.#ask(changes, protocol.reconfigure(changes));
  }

  /**
   * Say what an utterance should have been; answered by `corrected`, or by `error`.
   * @throws WavelaneError `invalid_message` where its session is over, because the connection broke since
   */
  correct(correction: Correction): void {
    const utterance = this.#timeline.numberOf(correction.channel ?? 0, correction.utterance);
    if (!this.#live || this.#endSent || utterance === undefined) {
      throw new WavelaneError("invalid_message", "Only finals of the session in progress can be corrected");
    }
    this.#ask(null, protocol.correct({ ...correction, utterance }));
  }

  /** No more audio comes: the rest is recognised, then the stream ends. */
  end(): void {
    if (this.#over || this.#ended) return;
    this.#ended = true;
    this.#backlog.end();
    this.#pump();
  }

  /** Give up at once. What is unfinished stays unfinished. */
  abort(): void {
    this.#stop(null);
  }

  /** Do not wait for the next attempt: the network is back. */
  retryNow(): void {
    if (this.#socket || this.#over) return;
    clearTimeout(this.#retryTimer);
    this.#open();
  }

  #open(): void {
    this.#events.tell({ type: "connecting" });
    this.#failure = null;
    this.#opened = this.#closed = this.#endSent = this.#probed = false;
    this.#lastHeard = now();
    let socket: Socket;
    try {
      socket = new this.#Socket(this.#address.stream, protocol.subprotocols(this.#apiKey));
    } catch (error) {
      // Browsers let pages from https:// connect to wss:// only.
      return this.#stop(new WavelaneError("invalid_config", error instanceof Error ? error.message : String(error)));
    }
    this.#socket = socket;
    socket.onopen = () => {
      this.#opened = true;
      this.#say(protocol.configure(this.#options));
    };
    socket.onmessage = ({ data }: { data: unknown }) => this.#receive(data);
    socket.onclose = ({ code }: { code: number }) => void this.#disconnected(code);
    socket.onerror = () => {}; // `onclose` follows; without a listener the package `ws` throws
  }

  /** Send what there is. */
  #pump(): void {
    clearTimeout(this.#pumpTimer);
    const socket = this.#socket;
    if (!socket || !this.#live) return this.#backlog.trim(this.#limit);
    if (this.#endSent) return;
    while (socket.bufferedAmount < SOCKET_BYTES) {
      const item = this.#backlog.next();
      if (item === null) break;
      socket.send(item);
      this.#lastSent = now();
    }
    if (this.#backlog.exhausted) {
      this.#endSent = true;
      this.#say(protocol.END);
    } else if (socket.bufferedAmount >= SOCKET_BYTES) {
      this.#pumpTimer = setTimeout(() => this.#pump(), POLL_MS);
    }
    if (this.#backlog.waitingBytes < SOCKET_BYTES) {
      this.#room?.resolve();
      this.#room = null;
    }
    this.#forget();
  }

  /** Let go of audio that no session will need again. */
  #forget(): void {
    this.#backlog.acknowledge(this.#timeline.needed(this.#paced ? this.#backlog.sent - UNDECIDED_SECONDS : 0));
  }

  /** Whether audio comes as it is spoken. Faster than that, it may wait anywhere on its way, and nothing is known of it. */
  get #paced(): boolean {
    if (this.#options.encoding === "container") return false;
    return this.#backlog.sent - this.#origin <= (now() - this.#readySince) / 1000 + 1;
  }

  /** Say what the server answers, in the order in which it was asked. */
  #ask(changes: Changes | null, text: string): void {
    if (this.#endSent) return;
    this.#asked.push(changes);
    if (this.#live) this.#say(text);
  }

  #say(text: string): void {
    if (this.#socket?.readyState !== 1) return;
    this.#socket.send(text);
    this.#lastSent = now();
  }

  #receive(data: unknown): void {
    this.#lastHeard = now();
    this.#probed = false;
    let message: ServerMessage | null;
    try {
      message = protocol.parse(data);
    } catch (error) {
      if (error instanceof WavelaneError) return this.#stop(error);
      throw error;
    }
    if (!message) return;
    if (message.type === "ready") this.#begin(message);
    const placed = this.#timeline.place(message);
    if (message.type === "final" && placed) this.#attempt = 0; // it gets on
    if (message.type === "flushed") this.#backlog.answered();
    if (message.type === "final" || message.type === "flushed") this.#forget();
    if (message.type === "error" && (message.fatal || !this.#live)) this.#failure = message;
    else if (message.type === "error" || message.type === "corrected") this.#asked.shift();
    if (message.type === "configured") this.#options = protocol.merged(this.#options, this.#asked.shift() ?? {});
    if (message.type === "closed") this.#closed = true;
    const last = this.#closed && this.#endSent && !this.#failure;
    // How a session ends is the program's concern only if the stream ends with it.
    const inner = (message.type === "closed" && !last) || message === this.#failure;
    if (placed && !inner) this.#events.tell(placed as StreamEvent);
    if (message.type === "ready") {
      // What the last session did not answer is asked again.
      for (const changes of this.#asked.splice(0)) if (changes) this.#ask(changes, protocol.reconfigure(changes));
      this.#pump();
    }
    if (last) this.#stop(null);
    // The server would take another configuration now; there is none.
    if (message === this.#failure && !this.#live) void this.#disconnected(1000);
  }

  #begin(message: ReadyEvent): void {
    this.#origin = this.#backlog.rewind();
    const { channel, channels } = message.config;
    this.#timeline.begin(this.#origin, message.clock_rate, channel === "separate" ? (channels ?? 1) : 0);
    this.ready = message as EventOf<"ready">;
    this.#live = true;
    this.#readySince = now();
    this.#first.resolve();
    const lost = this.#backlog.takeLost();
    const end = Math.round(this.#origin * message.clock_rate);
    if (lost > 0) this.#events.tell({ type: "gap", start: end - Math.round(lost * message.clock_rate), end });
  }

  /** Forget the socket without hearing of its end. */
  #detach(): Socket | null {
    const socket = this.#socket;
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    this.#socket = null;
    this.#live = false;
    return socket;
  }

  async #disconnected(code: number): Promise<void> {
    const [wasLive, opened, failure] = [this.#live, this.#opened, this.#failure];
    this.#detach()?.close();
    clearTimeout(this.#pumpTimer);
    if (wasLive) {
      this.#forget();
      this.#backlog.rewind(); // from here on, audio that falls out is lost and is counted
      this.#limit = this.#backlog.kept + this.keepSeconds;
    }
    let error = explainClose(code, failure, wasLive);
    const attempt = this.#attempt;
    if (!opened) {
      error = await explainRefusal(this.#address.base, this.#authorization);
      if (this.#over || this.#socket) return; // aborted meanwhile, or sent off at once
    }
    const hopeless = !error.temporary || attempt >= this.#retries || !(this.ready || this.#patient);
    if (hopeless) return this.#stop(error);
    const pause = protocol.backoff(attempt, Math.random());
    this.#attempt += 1;
    this.#retryTimer = setTimeout(() => this.#open(), pause);
    this.#events.tell({ type: "interrupted", error, retry_ms: pause });
  }

  get #authorization(): Record<string, string> {
    return this.#apiKey === undefined ? {} : { Authorization: `Bearer ${this.#apiKey}` };
  }

  #stop(error: WavelaneError | null): void {
    if (this.#over) return;
    this.#over = { error };
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#pumpTimer);
    clearInterval(this.#heartbeat);
    this.#detach()?.close(1000);
    this.#room?.reject(error ?? OVER);
    this.#first.reject(error ?? OVER);
    this.#events.finish(error);
    if (error) this.#finish.reject(error);
    else this.#finish.resolve();
  }

  #beat(): void {
    if (!this.#socket) return;
    const silent = now() - this.#lastHeard;
    if (this.#live && now() - this.#readySince > SETTLED_MS) this.#attempt = 0;
    const patience = this.#options.partials === false && this.#live && !this.#paced ? QUIET_MS : DEAD_MS;
    if (silent > patience) {
      void this.#disconnected(1006);
    } else if (silent > PROBE_MS && this.#live && !this.#probed) {
      this.#probed = true;
      this.#ask(null, protocol.reconfigure());
    } else if (this.#live && now() - this.#lastSent > KEEPALIVE_MS) {
      this.#say(protocol.KEEPALIVE);
    }
  }
}

/** A stream that has a session. */
export type Connected = Stream & { ready: EventOf<"ready"> };

/** See {@link Stream.connect}. */
export const connect = (url: string | URL, options?: Options, connecting?: Connecting): Promise<Connected> =>
  Stream.connect(url, options, connecting);

const now = () => performance.now();
const OVER = new WavelaneError("invalid_message", "The stream has ended: open a new one to send more audio");

const bytesOf = (audio: ArrayBuffer | ArrayBufferView) =>
  ArrayBuffer.isView(audio) ? new Uint8Array(audio.buffer, audio.byteOffset, audio.byteLength) : new Uint8Array(audio);

function rawFormat(options: Options): RawFormat {
  const encoding = options.encoding ?? "linear16";
  if (encoding === "container") return null;
  return { frame: SAMPLE_BYTES[encoding] * (options.channels ?? 1), rate: options.sample_rate ?? 16_000 };
}
