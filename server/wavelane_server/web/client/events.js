// Generated from clients/js/src/events.ts by `make js`; not to be edited.
/** Unread events that are kept in full; past it, partials that a newer one replaced are dropped. */
const UNREAD_EVENTS = 256;
/**
 * Events wait for the one iterator, or go to handlers. Without either they wait; handlers that are there when the first
 * was added get what waits, and from then on nothing waits unless there is an iterator.
 */
export class EventChannel {
    #queue = [];
    #handlers = new Map();
    #iterating = false;
    #handled = false;
    #over = false;
    #error = null;
    #wake = null;
    on(type, handler) {
        const handlers = this.#handlers.get(type) ?? new Set();
        this.#handlers.set(type, handlers.add(handler));
        if (!this.#handled && !this.#iterating)
            queueMicrotask(() => this.#drain());
        this.#handled = true;
        return () => handlers.delete(handler);
    }
    tell(event) {
        if (this.#iterating)
            this.#handle(event);
        else if (this.#handled && this.#queue.length === 0)
            return this.#handle(event);
        if (this.#queue.length >= UNREAD_EVENTS && event.type === "partial")
            this.#dropReplaced(event);
        this.#queue.push(event);
        this.#wake?.();
    }
    finish(error) {
        this.#over = true;
        this.#error = error;
        this.#wake?.();
    }
    [Symbol.asyncIterator]() {
        if (this.#handled && !this.#iterating) {
            throw new TypeError("Events go to handlers already: begin to iterate before the first call of on()");
        }
        this.#iterating = true;
        return this;
    }
    async next() {
        for (;;) {
            const event = this.#queue.shift();
            if (event)
                return { done: false, value: event };
            if (this.#error)
                throw this.#error;
            if (this.#over)
                return { done: true, value: undefined };
            await new Promise((resolve) => (this.#wake = resolve));
        }
    }
    #drain() {
        for (let event = this.#queue.shift(); event; event = this.#queue.shift())
            this.#handle(event);
    }
    #handle(event) {
        for (const handler of this.#handlers.get(event.type) ?? []) {
            try {
                handler(event);
            }
            catch (error) {
                // The program's fault is the program's to hear of, and does not stop the recognition.
                queueMicrotask(() => {
                    throw error;
                });
            }
        }
    }
    /** The partial before this one, if nobody has read it. */
    #dropReplaced(event) {
        const before = this.#queue.findLastIndex((other) => (other.type === "partial" || other.type === "final") && other.channel === event.channel);
        const other = this.#queue[before];
        if (other?.type === "partial" && other.utterance === event.utterance)
            this.#queue.splice(before, 1);
    }
}
