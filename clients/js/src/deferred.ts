import type { WavelaneError } from "./errors.js";

/** A promise that may fail without anybody listening: those who do not wait for it learn of it by other means. */
export class Deferred {
  resolve!: () => void;
  reject!: (error: WavelaneError) => void;
  readonly promise: Promise<void> = new Promise((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });

  constructor() {
    this.promise.catch(() => {});
  }
}
