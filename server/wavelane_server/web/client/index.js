// Generated from clients/js/src/index.ts by `make js`; not to be edited.
/** Live speech recognition: the client of a Wavelane server, for browsers and Node. See README.md. */
export { CaptureClock } from "./clock.js";
export { WavelaneError, sentence } from "./errors.js";
export { Microphone, describeMicrophoneError } from "./microphone.js";
export { Stream, connect } from "./stream.js";
