// Generated from clients/js/src/worklet.ts by `make js`; not to be edited.
/**
 * Runs on the audio thread: mixes whatever channels the microphone has to one and posts blocks of 20 ms as 16-bit
 * samples with their level. Stands alone, because not every browser lets a worklet import modules.
 */
const BLOCK_SECONDS = 0.02;
/** Highest rate that the server takes (Hz); sound cards above it are averaged down by a whole factor. */
const HIGHEST_RATE = 96_000;
class CaptureProcessor extends AudioWorkletProcessor {
    #factor = Math.ceil(sampleRate / HIGHEST_RATE);
    #size = Math.round((sampleRate / this.#factor) * BLOCK_SECONDS);
    #block = new Int16Array(this.#size);
    #filled = 0;
    #sum = 0; // of the samples that make the next one
    #summed = 0;
    #energy = 0;
    #peak = 0;
    #running = true;
    constructor() {
        super();
        this.port.onmessage = () => {
            this.#running = false;
            this.#post(this.#block.slice(0, this.#filled));
            this.port.postMessage(null); // no more blocks
        };
    }
    /** Called by the browser with 128 samples of each channel; gives whether it is to be called again. */
    process([channels = []]) {
        const length = this.#running ? (channels[0]?.length ?? 0) : 0;
        for (let index = 0; index < length; index += 1) {
            for (const channel of channels)
                this.#sum += channel[index] / channels.length;
            this.#summed += 1;
            if (this.#summed === this.#factor)
                this.#take(this.#sum / this.#factor);
        }
        return this.#running;
    }
    #take(sample) {
        this.#sum = 0;
        this.#summed = 0;
        const clipped = Math.max(-1, Math.min(1, sample));
        this.#energy += clipped * clipped;
        this.#peak = Math.max(this.#peak, Math.abs(clipped));
        this.#block[this.#filled] = Math.round(clipped * 32767);
        this.#filled += 1;
        if (this.#filled === this.#size) {
            this.#post(this.#block);
            this.#block = new Int16Array(this.#size); // the posted one is the page's now
        }
    }
    #post(samples) {
        if (samples.length) {
            const rms = Math.sqrt(this.#energy / samples.length);
            this.port.postMessage({ samples, rms, peak: this.#peak }, [samples.buffer]);
        }
        this.#filled = 0;
        this.#energy = 0;
        this.#peak = 0;
    }
}
registerProcessor("wavelane-capture", CaptureProcessor);
export {};
