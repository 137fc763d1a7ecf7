// @ts-check
/**
 * Puts the state on the page. Text only ever goes in as text, never as markup.
 * @typedef {import("./state.js").State} State
 * @typedef {import("./state.js").Entry} Entry
 * @typedef {import("./state.js").Pending} Pending
 * @typedef {import("./state.js").TimedWord} TimedWord
 * @typedef {{latencyMs: number | null, finalDelayMs: number | null, speed: number | null,
 *   waiting: number, capacity: number, now: number}} Figures  measured by the page; `waiting` and `capacity` in seconds
 */
import { FRAME_SECONDS } from "./model.js";
import { clockTime, confidenceLevel, lookaheadLabel, milliseconds, pieces } from "./formats.js";

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @returns {T}
 */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html lacks #${id}`);
  return /** @type {T} */ (found);
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {string} [text]
 */
function make(tag, className, text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}

/**
 * Set a text only if it differs: an unchanged node is not announced and not laid out again.
 * @param {Node} node
 * @param {string} text
 */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export class View {
  #scroll = element("scroll");
  #finals = element("finals");
  #partials = element("partials");
  #shown = 0; // entries on the page
  #following = true;
  /** @type {string} */
  #modelShown = "";

  constructor() {
    this.#scroll.addEventListener("scroll", () => {
      const { scrollTop, clientHeight, scrollHeight } = this.#scroll;
      this.#following = scrollHeight - scrollTop - clientHeight < 48;
      element("latest").hidden = this.#following;
    });
    element("latest").addEventListener("click", () => {
      this.#following = true;
      this.#follow();
      this.#scroll.focus();
    });
    for (const kind of ["pointerover", "click"]) this.#finals.addEventListener(kind, (event) => this.#explain(event));
    this.#finals.addEventListener("pointerleave", () => (element("detail").hidden = true));
  }

  /**
   * @param {State} state
   * @param {Figures} figures
   */
  render(state, figures) {
    document.body.dataset.phase = state.phase;
    document.body.dataset.speaking = String(state.speaking);
    setText(element("state"), stateText(state));
    // For screen readers without the coming and going of speech, which would talk over the text.
    setText(element("announcement"), [state.retry?.reason, stateText({ ...state, speaking: false })].filter(Boolean).join(" "));
    this.#renderModel(state);
    this.#renderControls(state);
    this.#renderNotices(state, figures);
    this.#renderText(state);
    this.#renderFigures(state, figures);
  }

  /** @param {State} state */
  #renderText(state) {
    if (state.entries.length < this.#shown) {
      this.#finals.replaceChildren();
      this.#shown = 0;
      this.#following = true;
    }
    const added = state.entries.slice(this.#shown);
    if (added.length) this.#finals.append(...added.map(entryNode));
    this.#shown = state.entries.length;
    this.#renderPending(Object.values(state.pending).filter((pending) => pending.text));
    element("empty").hidden = state.entries.length > 0 || Object.keys(state.pending).length > 0;
    if (this.#following) this.#follow();
  }

  /** @param {Pending[]} pending */
  #renderPending(pending) {
    while (this.#partials.children.length > pending.length) this.#partials.lastElementChild?.remove();
    while (this.#partials.children.length < pending.length) {
      const node = make("p", "utterance");
      node.append(make("span", "time"), make("span", "text"));
      this.#partials.append(node);
    }
    pending.forEach(({ text, start, stale }, index) => {
      const node = this.#partials.children[index];
      setText(node.children[0], clockTime(start));
      setText(node.children[1], text);
      node.classList.toggle("stale", stale);
    });
  }

  #follow() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    element("latest").hidden = true;
  }

  /** @param {Event} event */
  #explain(event) {
    const target = event.target instanceof HTMLElement ? event.target.closest(".word") : null;
    const detail = element("detail");
    detail.hidden = !(target instanceof HTMLElement);
    if (target instanceof HTMLElement) setText(detail, `“${target.textContent}” ${target.title}`);
  }

  /** @param {State} state */
  #renderModel({ model, config }) {
    setText(element("model"), model?.name ?? "");
    const key = model ? JSON.stringify([model.name, model.lookaheads, model.languages]) : "";
    if (model && key !== this.#modelShown) {
      this.#modelShown = key;
      const wanted = config?.lookahead === "auto" ? config.lookahead_min : config?.lookahead;
      const chosen = wanted ?? model.default_lookahead;
      element("lookaheads").replaceChildren(
        ...[...model.lookaheads].sort((a, b) => a - b).map((frames) => segment(frames, frames === chosen)),
      );
      element("lookahead-field").hidden = model.lookaheads.length < 2;
      const language = /** @type {HTMLSelectElement} */ (element("language"));
      language.replaceChildren(...model.languages.map((code) => new Option(languageName(code), code)));
      element("language-field").hidden = model.languages.length < 2;
      // There are rules for English only, and a session in any other language that asked for them would be refused.
      element("written-field").hidden = !model.languages.every((code) => code.split("-")[0] === "en");
    }
  }

  /** @param {State} state */
  #renderControls(state) {
    const idle = state.phase === "idle";
    const microphone = state.source?.kind === "microphone";
    setText(element("record-label"), idle ? "Start microphone" : state.phase === "finishing" ? "Cancel" : "Stop");
    const mute = element("mute");
    mute.hidden = !microphone || state.phase === "finishing";
    mute.setAttribute("aria-pressed", String(state.muted));
    const vad = /** @type {HTMLSelectElement} */ (element("vad"));
    vad.disabled = !idle;
    element("vad-hint").hidden = idle;
    setText(
      element("lookahead-hint"),
      idle
        ? "Sound awaited before a word is written. Longer gives better text."
        : "Changes count from the next speech on.",
    );
    element("key-field").hidden = !state.locked && !(/** @type {HTMLInputElement} */ (element("key")).value);
    const empty = !state.entries.some((entry) => entry.kind === "utterance");
    for (const id of ["copy", "save-text", "save-srt"]) /** @type {HTMLButtonElement} */ (element(id)).disabled = empty;
    const nothing = state.entries.length === 0 || (empty && !idle);
    /** @type {HTMLButtonElement} */ (element("clear")).disabled = nothing;
  }

  /**
   * @param {State} state
   * @param {Figures} figures
   */
  #renderNotices({ notice, retry }, figures) {
    const box = element("notice");
    box.hidden = !notice;
    box.dataset.level = notice?.level ?? "";
    setText(/** @type {Element} */ (box.querySelector("p")), notice?.text ?? "");
    element("waiting").hidden = !retry;
    setText(element("waiting-reason"), retry?.reason ?? "");
    setText(element("waiting-detail"), retry ? waitingText(retry.at - figures.now, figures) : "");
  }

  /**
   * @param {State} state
   * @param {Figures} figures
   */
  #renderFigures({ config, result }, figures) {
    setText(element("latency"), milliseconds(figures.latencyMs));
    setText(element("summary-latency"), figures.latencyMs === null ? "" : milliseconds(figures.latencyMs));
    setText(element("final-delay"), milliseconds(figures.finalDelayMs));
    setText(element("lag"), milliseconds(result?.lagMs ?? null));
    setText(element("rate"), config && config.encoding !== "container" ? `${config.sample_rate / 1000} kHz` : "–");
    setText(element("processed"), result ? clockTime(result.processed) : "–");
    const file = figures.speed !== null; // which says its own sample rate
    element("rate-row").hidden = file;
    element("speed-row").hidden = !file;
    setText(element("speed"), figures.speed === null ? "–" : `${figures.speed.toFixed(1)}×`);
  }
}

/**
 * @param {Entry} entry
 * @returns {HTMLElement}
 */
function entryNode(entry) {
  if (entry.kind === "source") {
    const heading = make("p", "source");
    heading.append(make("span", "", entry.label));
    return heading;
  }
  if (entry.kind === "gap") {
    return make("p", "gap", `${Math.ceil(entry.seconds)} s are missing here: the interruption was longer than what is kept`);
  }
  const node = make("p", entry.confirmed ? "utterance" : "utterance unconfirmed");
  const time = make("span", "time", clockTime(entry.start));
  time.setAttribute("aria-hidden", "true"); // a time before each announced sentence would be in the way; exports have them
  const text = make("span", "text");
  text.append(...pieces(entry.text, entry.words).map((piece) => (piece.word ? wordNode(piece.word) : piece.text)));
  node.append(time, text);
  return node;
}

/** @param {TimedWord} word */
function wordNode({ text, start, end, confidence }) {
  const node = make("span", "word", text);
  node.dataset.level = confidenceLevel(confidence);
  node.style.setProperty("--confidence", confidence.toFixed(2));
  node.title = `${Math.round(confidence * 100)} % sure, ${start.toFixed(2)}–${end.toFixed(2)} s`;
  return node;
}

/**
 * @param {number} frames
 * @param {boolean} checked
 */
function segment(frames, checked) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "lookahead", value: String(frames), checked });
  label.append(input, make("span", "", lookaheadLabel(frames, FRAME_SECONDS)));
  return label;
}

/** @param {string} code */
function languageName(code) {
  if (code === "auto") return "Found by itself";
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

/** @param {State} state */
function stateText({ phase, muted, speaking, source }) {
  switch (phase) {
    case "idle":
      return "Ready";
    case "connecting":
      return "Connecting";
    case "waiting":
      return "Reconnecting";
    case "finishing":
      return "Finishing";
    case "running":
      if (muted) return "Muted";
      if (source?.kind === "file") return "Transcribing";
      return speaking ? "Hearing speech" : "Listening";
  }
}

/**
 * @param {number} ms until the next attempt
 * @param {Figures} figures
 */
function waitingText(ms, { waiting, capacity }) {
  const next = ms > 0 ? `Next attempt in ${Math.ceil(ms / 1000)} s.` : "Trying again.";
  if (!waiting) return next;
  return `${next} Your speech is kept and will be sent: ${Math.floor(waiting)} of ${capacity} s.`;
}
