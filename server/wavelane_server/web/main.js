// @ts-check
/** Wires the page: controls to the stream, the stream to the state, the state to the view. */
import { MicrophoneSource } from "./backlog.js";
import { Microphone, describeMicrophoneError } from "./capture.js";
import { saveAs, writeClipboard } from "./export.js";
import { FileSource, closePlayer, openPlayer } from "./file.js";
import { toSrt, toText } from "./formats.js";
import { Meter } from "./meter.js";
import { explainRefusal, modelOf } from "./protocol.js";
import { INITIAL, reduce } from "./state.js";
import { RecognitionStream } from "./stream.js";
import { View, element } from "./view.js";

const view = new View();
const meter = new Meter(element("meter"));

let state = INITIAL;
/** @type {import("./view.js").Figures} */
const figures = { latencyMs: null, finalDelayMs: null, speed: null, waiting: 0, capacity: 0, now: 0 };
/** @type {import("./state.js").State["result"]} */
let measured = null;
/** @type {RecognitionStream | null} */
let stream = null;
/** @type {MicrophoneSource | FileSource | null} */
let source = null;
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
  if (action.type === "interrupted" && action.refused) void explain();
  schedule();
}

/** A refused handshake shows in the page only as a failure; the server's readiness says more. */
async function explain() {
  try {
    const answer = await fetch("readyz");
    dispatch({ type: "explained", reason: explainRefusal(answer.status, await answer.json()) });
  } catch {
    // No server at all: the reason stands as it is.
  }
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
  if (source instanceof MicrophoneSource) {
    figures.waiting = state.phase === "waiting" || state.retry ? source.waiting : 0;
    figures.capacity = source.capacity;
  } else figures.waiting = 0;
  view.render(state, figures);
  measure();
}

/** How long after its sound the newest text stands on the page. Measured once for each result, when it is shown. */
function measure() {
  const result = state.result;
  if (!result || result === measured || !source) return;
  measured = result;
  const now = performance.now();
  const captured = source.capturedAt(result.processed);
  figures.latencyMs = captured === null ? null : Math.max(0, now - captured);
  const spoken = result.speechEnd === null ? null : source.capturedAt(result.speechEnd);
  if (spoken !== null) figures.finalDelayMs = Math.max(0, now - spoken);
  figures.speed = source instanceof FileSource ? (result.processed * 1000) / (now - runningSince) : null;
  schedule();
}

function onRunning() {
  runningSince = performance.now();
  player?.play().catch(() => dispatch({ type: "notice", level: "info", text: "The browser does not let the file sound." }));
}

const written = /** @type {HTMLInputElement} */ (element("written"));

/** Session options as chosen on the page; what is not offered is left to the server. */
function chosenOptions() {
  const lookahead = document.querySelector("input[name=lookahead]:checked");
  const language = /** @type {HTMLSelectElement} */ (element("language"));
  return {
    lookahead: lookahead instanceof HTMLInputElement ? Number(lookahead.value) : null,
    language: language.options.length > 1 ? language.value : null,
    vad: { kind: /** @type {HTMLSelectElement} */ (element("vad")).value },
    text: written.checked && !element("written-field").hidden ? writtenText(true) : null,
  };
}

/** How text is written, with or without punctuation, capitals and figures. */
const writtenText = (/** @type {boolean} */ on) => ({ itn: on, punctuation: on, capitals: on, verbatim: !on });

/**
 * Recognise a source to its end.
 * @param {MicrophoneSource | FileSource} audio
 * @param {{kind: "microphone" | "file", label: string}} description
 */
async function recognise(audio, description) {
  source = audio;
  measured = null;
  Object.assign(figures, { latencyMs: null, finalDelayMs: null, speed: null });
  const url = new URL("v1/stream", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  dispatch({ type: "started", source: description });
  stream = new RecognitionStream({
    url: url.href,
    source: audio,
    options: chosenOptions(),
    limited: description.kind === "file",
    dispatch,
  });
  const { done } = stream;
  stream.start();
  await done;
  stream = null;
  await releaseInputs();
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
    const audio = new MicrophoneSource(opened.sampleRate);
    microphone = opened;
    await opened.start(
      ({ samples, rms, peak }) => {
        if (state.muted) return;
        audio.append(samples, performance.now());
        if (source === audio) stream?.pump();
        const seconds = samples.length / opened.sampleRate;
        if (meter.add(rms, peak, seconds) && !document.hidden) requestAnimationFrame(() => meter.draw());
      },
      () => {
        dispatch({ type: "notice", level: "error", text: "The microphone was disconnected." });
        void stop();
      },
    );
    void recognise(audio, { kind: "microphone", label: `Microphone, ${timeOfDay()}` });
  } catch (error) {
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
    if (stream) await (state.phase === "finishing" ? stream.done : stop());
    for (let file = queue.shift(); file; file = queue.shift()) {
      if (file.size === 0) {
        dispatch({ type: "notice", level: "error", text: `“${file.name}” is empty.` });
        continue;
      }
      const wanted = /** @type {HTMLInputElement} */ (element("play")).checked;
      player = wanted ? await openPlayer(file) : null;
      const audio = new FileSource(file, player);
      const finished = recognise(audio, { kind: "file", label: file.name });
      if (wanted && !player) {
        dispatch({ type: "notice", level: "info", text: "This browser can’t play the file, so it is sent at full speed." });
      }
      await finished;
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
    if (source instanceof MicrophoneSource) source.ended = true;
    running.finish();
  }
  await running.done;
}

function toggleMute() {
  const muted = !state.muted;
  if (muted) {
    if (source instanceof MicrophoneSource) source.pause();
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
    const answer = await fetch("v1/models");
    const model = answer.ok ? modelOf(await answer.json()) : null;
    if (model && !state.model) dispatch({ type: "model", model });
    if (answer.status === 503) setTimeout(() => void loadModel(), 2000); // still loading
  } catch {
    // The session's own answer brings the model too; the choices appear then.
  }
}

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
