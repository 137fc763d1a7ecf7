// @ts-check
/** Wires the page: controls to the stream, the stream to the state, the state to the view. */
import { CaptureClock, Microphone, Stream, WavelaneError, describeMicrophoneError } from "./client/index.js";
import { saveAs, writeClipboard } from "./export.js";
import { PlayerClock, closePlayer, openPlayer, sendFile } from "./file.js";
import { toSrt, toText } from "./formats.js";
import { Meter } from "./meter.js";
import { modelOf } from "./model.js";
import { INITIAL, reduce } from "./state.js";
import { View, element } from "./view.js";

/** An interrupted file is given up after so many attempts that get no further; a microphone never is. */
const FILE_RETRIES = 6;

const view = new View();
const meter = new Meter(element("meter"));

let state = INITIAL;
/** @type {import("./view.js").Figures} */
const figures = { latencyMs: null, finalDelayMs: null, speed: null, waiting: 0, capacity: 0, now: 0 };
/** @type {import("./state.js").State["result"]} */
let measured = null;
/** @type {Stream | null} */
let stream = null;
/** All of it, with what comes after. */
let recognition = Promise.resolve();
/** When the audio was captured or heard that is recognised now.
 * @type {CaptureClock | PlayerClock | null} */
let timing = null;
/** @type {Microphone | null} */
let microphone = null;
/** @type {HTMLAudioElement | null} */
let player = null;
/** @type {File[]} */
let queue = [];
let runningSince = 0;
let scheduled = false;

/** @param {import("./state.js").Action} action */
function dispatch(action) {
  const before = state.phase;
  state = reduce(state, action);
  if (state.phase === "running" && before !== "running") onRunning();
  if (state.locked) /** @type {HTMLDetailsElement} */ (element("side")).open = true;
  schedule();
}

function schedule() {
  if (scheduled) return;
  scheduled = true;
  // Hidden pages get no animation frames; the text must still be there when the user comes back.
  if (document.hidden) setTimeout(render, 200);
  else requestAnimationFrame(render);
}

function render() {
  scheduled = false;
  figures.now = performance.now();
  figures.capacity = stream?.keepSeconds ?? 0;
  figures.waiting = stream && state.retry ? Math.min(stream.waiting, figures.capacity) : 0;
  view.render(state, figures);
  measure();
}

/** How long after its sound the newest text stands on the page. Measured once for each result, when it is shown. */
function measure() {
  const result = state.result;
  if (!result || result === measured || !timing) return;
  measured = result;
  const now = performance.now();
  const captured = timing.capturedAt(result.processed);
  figures.latencyMs = captured === null ? null : Math.max(0, now - captured);
  const spoken = result.speechEnd === null ? null : timing.capturedAt(result.speechEnd);
  if (spoken !== null) figures.finalDelayMs = Math.max(0, now - spoken);
  figures.speed = timing instanceof PlayerClock ? (result.processed * 1000) / (now - runningSince) : null;
  schedule();
}

function onRunning() {
  runningSince = performance.now();
  player?.play().catch(() => dispatch({ type: "notice", level: "info", text: "The browser does not let the file sound." }));
}

const written = /** @type {HTMLInputElement} */ (element("written"));
const key = /** @type {HTMLInputElement} */ (element("key"));

/**
 * Session options as chosen on the page; what is not offered is left to the server.
 * @returns {import("./client/index.js").Options}
 */
function chosenOptions() {
  const lookahead = document.querySelector("input[name=lookahead]:checked");
  const language = /** @type {HTMLSelectElement} */ (element("language"));
  return {
    lookahead: lookahead instanceof HTMLInputElement ? Number(lookahead.value) : null,
    language: language.options.length > 1 ? language.value : null,
    vad: { kind: /** @type {"webrtc" | "silero" | "off"} */ (/** @type {HTMLSelectElement} */ (element("vad")).value) },
    text: written.checked && !element("written-field").hidden ? writtenText(true) : null,
  };
}

/** How text is written, with or without punctuation, capitals and figures. */
const writtenText = (/** @type {boolean} */ on) => ({ itn: on, punctuation: on, capitals: on, verbatim: !on });

/**
 * Recognise audio to its end.
 * @param {{kind: "microphone" | "file", label: string}} source
 * @param {import("./client/index.js").Options} format of the audio
 * @param {CaptureClock | PlayerClock} clock
 * @param {(stream: Stream) => void} feed sends the audio
 */
async function recognise(source, format, clock, feed) {
  timing = clock;
  measured = null;
  Object.assign(figures, { latencyMs: null, finalDelayMs: null, speed: null });
  dispatch({ type: "started", source });
  const retries = source.kind === "file" ? FILE_RETRIES : Infinity;
  let error = null;
  try {
    const options = { ...chosenOptions(), ...format };
    stream = new Stream(new URL("v1/stream", document.baseURI), options, { retries, apiKey: key.value || undefined });
    feed(stream);
    for await (const event of stream) dispatch({ type: "event", event, now: performance.now() });
  } catch (problem) {
    if (!(problem instanceof WavelaneError)) throw problem;
    const { code, message } = problem;
    const keyless = code === "unauthenticated" && !key.value;
    error = { code, message: keyless ? "This server asks for an API key: enter it in the settings." : message };
  } finally {
    stream = null;
    dispatch({ type: "stopped", error });
    await releaseInputs();
  }
}

async function releaseInputs() {
  const [closing, playing] = [microphone, player];
  microphone = player = null;
  if (playing) closePlayer(playing);
  await closing?.close();
  meter.clear();
}

/** Whether something is being started: devices and players take a while, and a second press must not start two. */
let starting = false;

async function startMicrophone() {
  if (starting) return;
  starting = true;
  dispatch({ type: "dismissed" });
  try {
    const opened = await Microphone.open();
    const clock = new CaptureClock();
    let captured = 0; // samples
    microphone = opened;
    recognition = recognise(
      { kind: "microphone", label: `Microphone, ${timeOfDay()}` },
      { encoding: "linear16", sample_rate: opened.sampleRate, channels: 1 },
      clock,
      () => {},
    );
    await opened.start(
      ({ samples, rms, peak }) => {
        if (state.muted) return;
        captured += samples.length;
        clock.observe(captured / opened.sampleRate, performance.now());
        if (timing === clock) void stream?.send(samples);
        const seconds = samples.length / opened.sampleRate;
        if (meter.add(rms, peak, seconds) && !document.hidden) requestAnimationFrame(() => meter.draw());
      },
      () => {
        dispatch({ type: "notice", level: "error", text: "The microphone was disconnected." });
        void stop();
      },
    );
  } catch (error) {
    stream?.abort();
    await releaseInputs();
    const text = describeMicrophoneError(error, { secure: isSecureContext, host: location.host });
    dispatch({ type: "notice", level: "error", text });
  } finally {
    starting = false;
    if (queue.length) void startFiles([]); // dropped while the browser asked for permission
  }
}

/**
 * Recognise files one after another. What is running is finished first.
 * @param {Iterable<File>} files
 */
async function startFiles(files) {
  queue.push(...files);
  if (starting) return; // what runs takes them when it is done
  starting = true;
  try {
    if (stream) await (state.phase === "finishing" ? recognition : stop());
    for (let file = queue.shift(); file; file = queue.shift()) {
      if (file.size === 0) {
        dispatch({ type: "notice", level: "error", text: `“${file.name}” is empty.` });
        continue;
      }
      const wanted = /** @type {HTMLInputElement} */ (element("play")).checked;
      player = wanted ? await openPlayer(file) : null;
      const playing = player;
      recognition = recognise(
        { kind: "file", label: file.name },
        { encoding: "container" },
        new PlayerClock(playing),
        (stream) => void sendFile(stream, file, playing),
      );
      if (wanted && !player) {
        dispatch({ type: "notice", level: "info", text: "This browser can’t play the file, so it is sent at full speed." });
      }
      await recognition;
    }
  } finally {
    starting = false;
  }
}

/** Finish what is running: the microphone goes off at once, the rest of the audio is still recognised. */
async function stop() {
  const running = stream;
  if (!running) return;
  if (state.phase === "finishing" || state.source?.kind === "file") {
    running.abort();
  } else {
    const closing = microphone;
    microphone = null;
    await closing?.close();
    meter.clear();
    dispatch({ type: "finishing" });
    running.end();
  }
  await recognition;
}

function toggleMute() {
  const muted = !state.muted;
  if (muted) {
    if (timing instanceof CaptureClock) timing.pause();
    stream?.flush();
    meter.clear();
  }
  if (microphone) microphone.muted = muted;
  dispatch({ type: "muted", muted });
}

const timeOfDay = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

/** @param {string} extension */
const transcriptName = (extension) =>
  `transcript-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.${extension}`;

async function copyTranscript() {
  const copied = await writeClipboard(toText(state.entries));
  const button = element("copy");
  button.textContent = copied ? "Copied" : "Not allowed";
  setTimeout(() => (button.textContent = "Copy"), 1500);
}

async function loadModel() {
  try {
    const headers = key.value ? { Authorization: `Bearer ${key.value}` } : undefined;
    const answer = await fetch("v1/models", { headers });
    const model = answer.ok ? modelOf(await answer.json()) : null;
    if (model) dispatch({ type: "model", model });
    if (answer.status === 401) dispatch({ type: "locked" });
    if (answer.status === 503) setTimeout(() => void loadModel(), 2000); // still loading
  } catch {
    // The session's own answer brings the model too; the choices appear then.
  }
}

/** The key stays in this tab: closing it forgets the key. */
key.value = sessionStorage.getItem("wavelane.key") ?? "";
key.addEventListener("change", () => {
  sessionStorage.setItem("wavelane.key", key.value);
  void loadModel();
});

element("host").textContent = location.host;
element("record").addEventListener("click", () => {
  queue = [];
  void (state.phase === "idle" ? startMicrophone() : stop());
});
element("mute").addEventListener("click", toggleMute);
element("copy").addEventListener("click", () => void copyTranscript());
element("save-text").addEventListener("click", () => saveAs(transcriptName("txt"), "text/plain", toText(state.entries)));
element("save-srt").addEventListener("click", () =>
  saveAs(transcriptName("srt"), "application/x-subrip", toSrt(state.entries)),
);
element("clear").addEventListener("click", () => dispatch({ type: "cleared" }));
element("dismiss").addEventListener("click", () => dispatch({ type: "dismissed" }));

const fileInput = /** @type {HTMLInputElement} */ (element("file"));
element("choose").addEventListener("click", () => fileInput.click());
fileInput.addEventListener("change", () => {
  void startFiles([...(fileInput.files ?? [])]);
  fileInput.value = ""; // so that the same file can be chosen again
});

element("lookaheads").addEventListener("change", ({ target }) => {
  if (target instanceof HTMLInputElement) stream?.reconfigure({ lookahead: Number(target.value) });
});
element("language").addEventListener("change", ({ target }) => {
  if (target instanceof HTMLSelectElement) stream?.reconfigure({ language: target.value });
});
written.addEventListener("change", () => stream?.reconfigure({ text: writtenText(written.checked) }));

let dragged = 0; // dragenter and dragleave come for every element under the pointer
const drop = element("drop");
const carriesFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
addEventListener("dragenter", (event) => {
  if (carriesFiles(event)) drop.hidden = (dragged += 1) === 0;
});
addEventListener("dragleave", (event) => {
  if (carriesFiles(event)) drop.hidden = (dragged -= 1) <= 0;
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  dragged = 0;
  drop.hidden = true;
  if (event.dataTransfer?.files.length) void startFiles([...event.dataTransfer.files]);
});

addEventListener("online", () => stream?.retryNow());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void microphone?.keepAwake();
  schedule();
});
setInterval(() => state.retry && schedule(), 250); // the countdown to the next attempt

const wide = matchMedia("(min-width: 60.0625rem)");
const side = /** @type {HTMLDetailsElement} */ (element("side"));
const arrange = () => (side.open = wide.matches);
wide.addEventListener("change", arrange);
arrange();

schedule();
void loadModel();
