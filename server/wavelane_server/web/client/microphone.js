// Generated from clients/js/src/microphone.ts by `make js`; not to be edited.
/** The microphone of a browser, at the rate that the browser gives it: asking for another one fails in Firefox and distorts in Safari. */
/** See worklet.ts. */
const HIGHEST_RATE = 96_000;
/**
 * These are made for ears; recognition is better with the sound as it is. Gain control too: while it adapts, first words
 * go wrong, and models hear speech that is 30 dB quieter just as well.
 */
const AS_IT_IS = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
export class Microphone {
    /** Of the blocks (Hz): the session's option `sample_rate`. */
    sampleRate;
    /** What the system calls it. */
    label;
    #context;
    #track;
    #source;
    #node;
    #wakeLock = null;
    constructor(context, stream, node) {
        this.#context = context;
        this.#track = stream.getAudioTracks()[0];
        this.#source = context.createMediaStreamSource(stream);
        this.#node = node;
        this.sampleRate = context.sampleRate / Math.ceil(context.sampleRate / HIGHEST_RATE);
        this.label = this.#track.label || "Microphone";
    }
    /**
     * Ask for the microphone and prepare it. To be called when the user clicks: browsers start no sound otherwise.
     * @param constraints on top of ours: a `deviceId`, or echo cancellation where a loudspeaker talks too
     * @throws DOMException or TypeError: see {@link describeMicrophoneError}
     */
    static async open(constraints = {}) {
        if (!navigator.mediaDevices)
            throw new DOMException("no media devices in this context", "SecurityError");
        const stream = await navigator.mediaDevices.getUserMedia({ audio: { ...AS_IT_IS, ...constraints } });
        const context = new AudioContext({ latencyHint: "interactive" });
        try {
            await context.audioWorklet.addModule(new URL("./worklet.js", import.meta.url));
            return new Microphone(context, stream, new AudioWorkletNode(context, "wavelane-capture"));
        }
        catch (error) {
            for (const track of stream.getTracks())
                track.stop();
            await context.close();
            throw error;
        }
    }
    /**
     * Begin to hear.
     * @param onBlock gets each block; what it holds is the callee's
     * @param onLost the device was unplugged or taken away
     */
    async start(onBlock, onLost = () => { }) {
        this.#node.port.onmessage = ({ data }) => data && onBlock(data);
        this.#track.onended = onLost;
        // Phones suspend the context for calls and other apps; it must be woken when they are over.
        this.#context.onstatechange = () => {
            if (this.#context.state !== "running" && this.#context.state !== "closed")
                void this.#context.resume();
        };
        // Its output is silent; some browsers run only what leads to the loudspeaker.
        this.#source.connect(this.#node).connect(this.#context.destination);
        await this.#context.resume();
        await this.keepAwake();
    }
    /** Keep a phone's screen on, which would take the microphone with it. To be repeated when the page comes back. */
    async keepAwake() {
        try {
            this.#wakeLock = (await navigator.wakeLock?.request("screen")) ?? null;
        }
        catch {
            // Refused when the battery is low or the page is hidden: recognition works without it.
        }
    }
    /** Sound or silence at the source: a muted track also switches off the browser's recording light on some systems. */
    set muted(muted) {
        this.#track.enabled = !muted;
    }
    /** Let go of the device, after the last block was handed over. */
    async close() {
        this.#track.onended = null;
        const { port } = this.#node;
        const onBlock = port.onmessage;
        await new Promise((resolve) => {
            port.onmessage = (event) => (event.data ? onBlock?.call(port, event) : resolve());
            port.postMessage("stop");
            setTimeout(resolve, 300); // a suspended audio thread does not answer
        });
        this.#context.onstatechange = null;
        this.#track.stop();
        await this.#wakeLock?.release();
        await this.#context.close();
    }
}
/**
 * Why there is no microphone, and what to do about it.
 * @param error of {@link Microphone.open}
 * @param page `isSecureContext` and `location.host` of the page
 */
export function describeMicrophoneError(error, page) {
    if (!page.secure) {
        return ("Browsers give the microphone only to pages from https:// or from localhost, and this one came from " +
            `http://${page.host}. Open it over HTTPS, or on the server’s own machine. Audio files work here too.`);
    }
    switch (error instanceof Error || error instanceof DOMException ? error.name : "") {
        case "NotAllowedError":
            return ("The microphone is blocked for this page. Allow it in the browser’s address bar (and in the system’s privacy " +
                "settings), then start again.");
        case "NotFoundError":
            return "No microphone was found. Plug one in or switch it on, then start again. Audio files work without one.";
        case "NotReadableError":
            return "The microphone is there but can’t be opened: another program may be using it. Close that, then start again.";
        case "SecurityError":
            return "This browser does not allow the microphone here. Try the page in a window of its own, or another browser.";
        default:
            return `The microphone could not be started: ${error instanceof Error ? error.message : String(error)}`;
    }
}
