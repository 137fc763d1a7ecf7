// Generated from clients/js/src/clock.ts by `make js`; not to be edited.
/** When was the audio at this position captured? */
const WINDOW_MS = 10_000;
/**
 * Maps positions of captured audio (s) to the page's clock (ms).
 *
 * Blocks reach the page late, by a delay that jitters but is never negative, so the earliest arrival seen, relative to
 * its position, is the best estimate. The minimum is taken over the last 10 to 20 s only, because the sound card's
 * clock and the system's drift apart by up to 100 ppm. After a pause a new line begins.
 */
export class CaptureClock {
    #segments = [];
    #paused = true;
    #last = 0;
    /**
     * A block arrived.
     * @param position of its end (s)
     * @param now ms
     */
    observe(position, now) {
        const offset = now - position * 1000;
        let segment = this.#segments.at(-1);
        if (this.#paused || !segment) {
            segment = { from: this.#last, offset, previous: offset, since: now };
            this.#segments.push(segment);
            this.#paused = false;
        }
        if (now - segment.since > WINDOW_MS) {
            segment.previous = segment.offset;
            segment.offset = offset;
            segment.since = now;
        }
        segment.offset = Math.min(segment.offset, offset);
        this.#last = position;
    }
    /** The capture paused: time goes on, positions do not. */
    pause() {
        this.#paused = true;
    }
    /** When the audio at this position (s) was captured (ms); null before the first audio. */
    capturedAt(position) {
        const segment = this.#segments.findLast((candidate) => candidate.from <= position) ?? this.#segments[0];
        return segment ? position * 1000 + Math.min(segment.offset, segment.previous) : null;
    }
}
