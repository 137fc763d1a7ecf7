/** What a stream tells, and how it waits until it is read. */
import type { WavelaneError } from "./errors.js";
import type { Config } from "./protocol.js";
import type { ConfiguredEvent, ReadyEvent, ServerMessage } from "./schema.js";

/** A connection is being made: the first, or one in place of another. */
export interface ConnectingEvent {
  type: "connecting";
}

/** The connection broke, or there is none yet. What is unfinished will be recognised by the next. */
export interface InterruptedEvent {
  type: "interrupted";
  error: WavelaneError;
  /** Until the next attempt (ms). */
  retry_ms: number;
}

/** Audio between these positions is lost: an interruption was longer than what is kept. */
export interface GapEvent {
  type: "gap";
  start: number;
  end: number;
}

type Effective<T> = Omit<T, "config"> & { config: Config };

/** Everything that a stream tells. Times and numbers of utterances go on over interruptions. */
export type StreamEvent =
  | Exclude<ServerMessage, ReadyEvent | ConfiguredEvent>
  | Effective<ReadyEvent>
  | Effective<ConfiguredEvent>
  | ConnectingEvent
  | InterruptedEvent
  | GapEvent;

/** An event by its type: `EventOf<"final">`. */
export type EventOf<T extends StreamEvent["type"]> = Extract<StreamEvent, { type: T }>;

type Handler = (event: StreamEvent) => void;

/** Unread events that are kept in full; past it, partials that a newer one replaced are dropped. */
const UNREAD_EVENTS = 256;

/**
 * Events wait for the one iterator, or go to handlers. Without either they wait; handlers that are there when the first
 * was added get what waits, and from then on nothing waits unless there is an iterator.
 */
export class EventChannel implements AsyncIterableIterator<StreamEvent, void> {
  #queue: StreamEvent[] = [];
  #handlers = new Map<string, Set<Handler>>();
  #iterating = false;
  #handled = false;
  #over = false;
  #error: WavelaneError | null = null;
  #wake: (() => void) | null = null;

  on<T extends StreamEvent["type"]>(type: T, handler: (event: EventOf<T>) => void): () => void {
    const handlers = this.#handlers.get(type) ?? new Set();
    this.#handlers.set(type, handlers.add(handler as Handler));
    if (!this.#handled && !this.#iterating) queueMicrotask(() => this.#drain());
    this.#handled = true;
    return () => handlers.delete(handler as Handler);
  }

  tell(event: StreamEvent): void {
    if (this.#iterating) this.#handle(event);
    else if (this.#handled && this.#queue.length === 0) return this.#handle(event);
    if (this.#queue.length >= UNREAD_EVENTS && event.type === "partial") this.#dropReplaced(event);
    this.#queue.push(event);
    this.#wake?.();
  }

  finish(error: WavelaneError | null): void {
    this.#over = true;
    this.#error = error;
    this.#wake?.();
  }

  [Symbol.asyncIterator](): this {
    if (this.#handled && !this.#iterating) {
      throw new TypeError("Events go to handlers already: begin to iterate before the first call of on()");
    }
    this.#iterating = true;
    return this;
  }

  async next(): Promise<IteratorResult<StreamEvent, void>> {
    for (;;) {
      const event = this.#queue.shift();
      if (event) return { done: false, value: event };
      if (this.#error) throw this.#error;
      if (this.#over) return { done: true, value: undefined };
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #drain(): void {
    for (let event = this.#queue.shift(); event; event = this.#queue.shift()) this.#handle(event);
  }

  #handle(event: StreamEvent): void {
    for (const handler of this.#handlers.get(event.type) ?? []) {
      try {
        handler(event);
      } catch (error) {
        // The program's fault is the program's to hear of, and does not stop the recognition.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** The partial before this one, if nobody has read it. */
  #dropReplaced(event: EventOf<"partial">): void {
    const before = this.#queue.findLastIndex(
      (other) => (other.type === "partial" || other.type === "final") && other.channel === event.channel,
    );
    const other = this.#queue[before];
    if (other?.type === "partial" && other.utterance === event.utterance) this.#queue.splice(before, 1);
  }
}
