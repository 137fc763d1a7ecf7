// @ts-check
/**
 * The microphone, at the rate that the browser gives it: asking for another one fails in Firefox and distorts in Safari.
 * @typedef {{samples: Int16Array, rms: number, peak: number}} Block  20 ms of mono audio with its level (0 to 1)
 */

/** See worklet.js. */
const HIGHEST_RATE = 96_000;

export class Microphone {
  #context;
  #stream;
  #node;
  /** @type {WakeLockSentinel | null} */
  #wakeLock = null;

  /**
   * @param {AudioContext} context
   * @param {MediaStream} stream
   * @param {AudioWorkletNode} node
   */
  constructor(context, stream, node) {
    this.#context = context;
    this.#stream = stream;
    this.#node = node;
    /** Hz, of the blocks. */
    this.sampleRate = context.sampleRate / Math.ceil(context.sampleRate / HIGHEST_RATE);
    this.label = stream.getAudioTracks()[0].label || "Microphone";
  }

  /**
   * Ask for the microphone and prepare it.
   * @returns {Promise<Microphone>}
   * @throws {DOMException | TypeError} see `describeMicrophoneError`
   */
  static async open() {
    if (!navigator.mediaDevices) throw new DOMException("no media devices in this context", "SecurityError");
    // These are made for ears; recognition is better with the sound as it is. Gain control too: while it adapts, first
    // words go wrong, and models hear speech that is 30 dB quieter just as well.
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio });
    const context = new AudioContext({ latencyHint: "interactive" });
    try {
      await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
      const node = new AudioWorkletNode(context, "wavelane-capture");
      return new Microphone(context, stream, node);
    } catch (error) {
      for (const track of stream.getTracks()) track.stop();
      await context.close();
      throw error;
    }
  }

  /**
   * @param {(block: Block) => void} onBlock
   * @param {() => void} onLost the device was unplugged or taken away
   */
  async start(onBlock, onLost) {
    this.#node.port.onmessage = ({ data }) => data && onBlock(data);
    this.#stream.getAudioTracks()[0].onended = onLost;
    // Phones suspend the context for calls and other apps; it must be woken when they are over.
    this.#context.onstatechange = () => {
      if (this.#context.state !== "running" && this.#context.state !== "closed") void this.#context.resume();
    };
    // Its output is silent; some browsers run only what leads to the loudspeaker.
    this.#context.createMediaStreamSource(this.#stream).connect(this.#node).connect(this.#context.destination);
    await this.#context.resume();
    await this.keepAwake();
  }

  /** Keep a phone's screen on, which would take the microphone with it. To be repeated when the page comes back. */
  async keepAwake() {
    try {
      this.#wakeLock = (await navigator.wakeLock?.request("screen")) ?? null;
    } catch {
      // Refused when the battery is low or the page is hidden: recognition works without it.
    }
  }

  /**
   * Sound or silence at the source: a muted track also switches off the browser's recording light on some systems.
   * @param {boolean} muted
   */
  set muted(muted) {
    this.#stream.getAudioTracks()[0].enabled = !muted;
  }

  /** Let go of the device, after the last block was handed over. */
  async close() {
    const track = this.#stream.getAudioTracks()[0];
    track.onended = null;
    const onBlock = this.#node.port.onmessage;
    await new Promise((resolve) => {
      this.#node.port.onmessage = (event) => (event.data ? onBlock?.call(this.#node.port, event) : resolve(undefined));
      this.#node.port.postMessage("stop");
      setTimeout(resolve, 300); // a suspended audio thread does not answer
    });
    this.#context.onstatechange = null;
    track.stop();
    await this.#wakeLock?.release();
    await this.#context.close();
  }
}

/**
 * Why there is no microphone, and what to do about it.
 * @param {unknown} error of `Microphone.open`
 * @param {{secure: boolean, host: string}} page
 * @returns {string}
 */
export function describeMicrophoneError(error, page) {
  if (!page.secure) {
    return (
      `Browsers give the microphone only to pages from https:// or from localhost, and this one came from ` +
      `http://${page.host}. Open it over HTTPS, or on the server’s own machine. Audio files work here too.`
    );
  }
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  switch (name) {
    case "NotAllowedError":
      return (
        "The microphone is blocked for this page. Allow it in the browser’s address bar (and in the system’s privacy " +
        "settings), then start again."
      );
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
