// @ts-check
/** The level of the last seconds as bars that move from right to left; a single bar where motion is not wanted. */

/** Time that one bar stands for (s), and its width and gap (CSS pixels). */
const BAR_SECONDS = 0.06;
const BAR_WIDTH = 3;
const BAR_GAP = 3;
/** Quietest level shown (dB relative to full scale). */
const FLOOR_DB = -60;

/**
 * @param {number} rms 0 to 1
 * @returns {number} 0 to 1, linear in decibels
 */
export function meterHeight(rms) {
  const db = 20 * Math.log10(Math.max(rms, 1e-9));
  return Math.min(1, Math.max(0, 1 - db / FLOOR_DB));
}

export class Meter {
  #element;
  #canvas;
  /** @type {{height: number, clipped: boolean}[]} */
  #bars = [];
  #loudest = 0;
  #peak = 0;
  #seconds = 0;
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /** @param {HTMLElement} element with role meter, around a canvas */
  constructor(element) {
    this.#element = element;
    this.#canvas = /** @type {HTMLCanvasElement} */ (element.querySelector("canvas"));
    new ResizeObserver(() => this.draw()).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /**
   * @param {number} rms
   * @param {number} peak
   * @param {number} seconds that the level is of
   * @returns {boolean} whether there is something new to draw
   */
  add(rms, peak, seconds) {
    this.#loudest = Math.max(this.#loudest, rms);
    this.#peak = Math.max(this.#peak, peak);
    this.#seconds += seconds;
    if (this.#seconds < BAR_SECONDS) return false;
    this.#bars.push({ height: meterHeight(this.#loudest), clipped: this.#peak >= 0.99 });
    this.#bars.splice(0, this.#bars.length - 400);
    this.#loudest = this.#peak = this.#seconds = 0;
    return true;
  }

  clear() {
    this.#bars = [];
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const scale = devicePixelRatio || 1;
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    const context = this.#canvas.getContext("2d");
    if (!context || !width) return;
    context.scale(scale, scale);
    const style = getComputedStyle(this.#element);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name);
    const last = this.#bars[this.#bars.length - 1];
    if (this.#still.matches) {
      context.fillStyle = colour("--line");
      context.fillRect(0, height / 2 - 4, width, 8);
      context.fillStyle = colour(last?.clipped ? "--stop" : "--accent");
      context.fillRect(0, height / 2 - 4, width * (last?.height ?? 0), 8);
    } else {
      const count = Math.floor((width + BAR_GAP) / (BAR_WIDTH + BAR_GAP));
      for (let index = 0; index < count; index += 1) {
        const bar = this.#bars[this.#bars.length - count + index];
        const size = Math.max(BAR_WIDTH, (bar?.height ?? 0) ** 1.5 * height);
        context.fillStyle = colour(!bar ? "--line" : bar.clipped ? "--stop" : "--accent");
        context.beginPath();
        context.roundRect(index * (BAR_WIDTH + BAR_GAP), (height - size) / 2, BAR_WIDTH, size, BAR_WIDTH / 2);
        context.fill();
      }
    }
    const percent = Math.round((last?.height ?? 0) * 100);
    this.#element.setAttribute("aria-valuenow", String(percent));
    this.#element.setAttribute("aria-valuetext", last?.clipped ? "too loud" : percent < 15 ? "silent" : `${percent} percent`);
  }
}
