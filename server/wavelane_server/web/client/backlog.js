// Generated from clients/js/src/backlog.ts by `make js`; not to be edited.
/**
 * Audio that the server may still need. A session that breaks takes the audio of its unfinished utterance with it; what
 * is kept here is sent again to the next session, so that no word is lost.
 */
/** Largest message (bytes): a few seconds of Opus, so that the server can hold back in time. */
const PIECE_BYTES = 8 * 1024;
/** Positions are seconds since the first sample; of a container they are all 0. */
export class Backlog {
    #items = [];
    #cursor = 0; // index of the first item not yet sent on this connection
    #received = 0; // bytes
    #lost = 0; // bytes dropped before they were sent
    #cut = new Uint8Array(0); // the beginning of a sample whose end has not come yet
    #format;
    #ended = false;
    constructor(format) {
        this.#format = format;
    }
    /** All is sent, and nothing more comes. */
    get exhausted() {
        return this.#ended && this.#cursor === this.#items.length;
    }
    /** Where the next item to send begins (s). */
    get sent() {
        return this.#seconds(this.#sentBytes);
    }
    /** Audio appended so far (s). */
    get received() {
        return this.#seconds(this.#received);
    }
    /** Audio that waits to be sent (bytes). */
    get waitingBytes() {
        return this.#received - this.#sentBytes;
    }
    /** Audio that waits to be sent (s). */
    get waiting() {
        return this.received - this.sent;
    }
    /** Audio that is kept, sent or not (s). */
    get kept() {
        return this.#seconds(this.#received - this.#startFrom(0));
    }
    /** Add bytes, cut anywhere; they are copied. */
    append(data) {
        const size = data instanceof Uint8Array ? data.byteLength : data.size;
        for (let at = 0; at < size; at += PIECE_BYTES) {
            const piece = data.slice(at, at + PIECE_BYTES);
            this.#push(piece instanceof Blob ? piece : this.#whole(piece));
        }
    }
    /** No more audio will be appended. */
    end() {
        this.#push(this.#cut); // half a sample: the server says that it is one
        this.#ended = true;
    }
    /** Add a command that has its place behind the audio so far, and that is answered. */
    mark(command) {
        this.#items.push({ start: this.#received, bytes: 0, data: command });
    }
    /** The oldest command was answered: it is not sent again. */
    answered() {
        const index = this.#items.findIndex(({ data }) => typeof data === "string");
        if (index >= 0 && index < this.#cursor)
            this.#remove(index, 1);
    }
    /** The next message to send, null if there is none now. */
    next() {
        const item = this.#items[this.#cursor];
        if (!item)
            return null;
        this.#cursor += 1;
        return item.data;
    }
    /** Audio before this position (s) is not needed any more. */
    acknowledge(position) {
        if (!this.#format)
            return; // a container is sent again from its beginning, or not at all
        const limit = Math.floor(position * this.#format.rate + 1e-6) * this.#format.frame;
        for (let index = 0; index < this.#cursor;) {
            const { start, bytes, data } = this.#items[index];
            if (start >= limit && bytes > 0)
                break;
            if (bytes > 0 && start + bytes <= limit)
                this.#remove(index, 1);
            else {
                if (data instanceof Uint8Array) {
                    const rest = data.subarray(limit - start);
                    this.#items[index] = { start: limit, bytes: rest.byteLength, data: rest };
                }
                index += 1;
            }
        }
    }
    /** Go back to the earliest that is kept, for a new connection; returns its position (s). */
    rewind() {
        this.#cursor = 0;
        return this.sent;
    }
    /** Drop the oldest audio until no more than this is left (s). What was not sent is lost. */
    trim(limit) {
        while (this.#format && this.kept > limit) {
            const index = this.#items.findIndex(({ bytes }) => bytes > 0);
            if (index >= this.#cursor)
                this.#lost += this.#items[index].bytes;
            this.#remove(index, 1);
        }
    }
    /** Audio that was lost since the last call (s). */
    takeLost() {
        const lost = this.#seconds(this.#lost);
        this.#lost = 0;
        return lost;
    }
    get #sentBytes() {
        return this.#startFrom(this.#cursor);
    }
    /** Where the first audio at this index or behind it begins (bytes). */
    #startFrom(index) {
        while (this.#items[index]?.bytes === 0)
            index += 1;
        return this.#items[index]?.start ?? this.#received;
    }
    #seconds(bytes) {
        return this.#format ? bytes / this.#format.frame / this.#format.rate : 0;
    }
    #remove(index, count) {
        this.#items.splice(index, count);
        if (index < this.#cursor)
            this.#cursor -= count;
    }
    /** Whole samples: what a new connection begins with must not be the second half of one. */
    #whole(piece) {
        const rest = this.#cut;
        let data = piece;
        if (rest.byteLength) {
            data = new Uint8Array(rest.byteLength + piece.byteLength);
            data.set(rest);
            data.set(piece, rest.byteLength);
        }
        const whole = data.byteLength - (data.byteLength % (this.#format?.frame ?? 1));
        this.#cut = data.slice(whole);
        return data.subarray(0, whole);
    }
    #push(data) {
        const bytes = data instanceof Blob ? data.size : data.byteLength;
        if (bytes)
            this.#items.push({ start: this.#received, bytes, data });
        this.#received += bytes;
    }
}
