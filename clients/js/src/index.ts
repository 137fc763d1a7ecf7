/** Live speech recognition: the client of a Wavelane server, for browsers and Node. See README.md. */
export { CaptureClock } from "./clock.js";
export { WavelaneError, sentence } from "./errors.js";
export type { ConnectingEvent, EventOf, GapEvent, InterruptedEvent, StreamEvent } from "./events.js";
export { Microphone, type MicrophoneBlock, describeMicrophoneError } from "./microphone.js";
export type { Changes, Config, Correction, Options } from "./protocol.js";
export type * from "./schema.js";
export type { Connecting, Socket } from "./socket.js";
export { type Audio, type Connected, Stream, connect } from "./stream.js";
