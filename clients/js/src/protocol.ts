/** The native protocol, version 1: messages out and in, addresses. Pure: no DOM, no socket, no clock. */
import { WavelaneError } from "./errors.js";
import type { Configure, Correct, Reconfigure, ServerMessage, SessionOptions } from "./schema.js";

type Choices<T> = { [K in keyof T]?: T[K] | null | undefined };
/** Options of a session; what is left out, or null, is left to the server. */
export type Options = Choices<Omit<Configure, "type">>;
/** Options that may change while a session runs. */
export type Changes = Omit<Reconfigure, "type">;
/** What an utterance should have been. */
export type Correction = Omit<Correct, "type">;
/** Every field is there, whatever its depth. */
type Complete<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]-?: Complete<T[K]> } : T;
/** The effective configuration, with every default resolved. */
export type Config = Complete<SessionOptions>;

/** The first message of a session. */
export function configure(options: Options): string {
  const given = Object.entries(options).filter(([, value]) => value !== null && value !== undefined);
  return JSON.stringify({ type: "configure", ...Object.fromEntries(given) });
}

/**
 * A change while the session runs. Without changes it asks for the configuration in force, which every server answers:
 * the only way for a page to find out that a connection is dead.
 */
export const reconfigure = (changes: Changes = {}): string => JSON.stringify({ type: "reconfigure", ...changes });

export const correct = (correction: Correction): string => JSON.stringify({ type: "correct", ...correction });

export const FLUSH = '{"type":"flush"}';
export const END = '{"type":"end"}';
export const KEEPALIVE = '{"type":"keepalive"}';

/**
 * The options with changes on top, as the server does it: groups of options are merged, lists and the phrases of
 * `text.replace` replaced.
 */
export function merged(options: Options, changes: Changes): Options {
  const result: Record<string, unknown> = { ...options };
  for (const [name, value] of Object.entries(changes)) {
    const before = result[name];
    result[name] = isObject(before) && isObject(value) ? { ...before, ...value } : value;
  }
  return result;
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

type Kind = "number" | "string" | "boolean" | "object";
/** Fields that must be there, with their JSON type. */
const FIELDS: { [T in ServerMessage["type"]]: { [K in keyof Extract<ServerMessage, { type: T }>]?: Kind } } = {
  ready: { session: "string", clock_rate: "number", config: "object", model: "object" },
  configured: { config: "object" },
  corrected: { channel: "number", utterance: "number" },
  speech_started: { channel: "number", at: "number" },
  speech_stopped: { channel: "number", at: "number" },
  partial: {
    ...{ channel: "number", utterance: "number", text: "string", stable: "number", words: "object" },
    ...{ start: "number", processed: "number" },
  },
  endpoint: { channel: "number", utterance: "number", at: "number" },
  final: {
    ...{ channel: "number", utterance: "number", alternatives: "object" },
    ...{ start: "number", end: "number", processed: "number" },
  },
  lookahead_changed: { channel: "number", at: "number" },
  audio_issue: { channel: "number", at: "number", problem: "string", active: "boolean" },
  flushed: { at: "number" },
  error: { code: "string", message: "string", fatal: "boolean" },
  closed: { received: "number" },
};

/**
 * Read one text message of the server.
 * @returns null for a type of a later version, which is to be ignored
 * @throws WavelaneError `internal`: not JSON, or a field is missing
 */
export function parse(data: unknown): ServerMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(String(data));
  } catch {
    throw foreign("a message that is not JSON: is this address a Wavelane server?");
  }
  if (!isObject(value) || !("type" in value) || typeof value.type !== "string") {
    throw foreign("a message without a type: is this address a Wavelane server?");
  }
  if (!Object.hasOwn(FIELDS, value.type)) return null;
  const message = value as ServerMessage & Record<string, unknown>;
  for (const [name, kind] of Object.entries(FIELDS[message.type])) {
    if (typeof message[name] !== kind || message[name] === null) {
      throw foreign(`“${message.type}” without a valid “${name}”: client and server do not match.`);
    }
  }
  if (message.type === "final" && typeof message.alternatives[0]?.text !== "string") {
    throw foreign("a final without a text: client and server do not match.");
  }
  return message;
}

const foreign = (what: string) => new WavelaneError("internal", `The server sent ${what}`);

const PATH = "v1/stream";

/** Where a server is. */
export interface Address {
  /** Of the stream: `ws://…/v1/stream`. */
  readonly stream: string;
  /** Of the server over HTTP, with a slash at its end. */
  readonly base: string;
}

/**
 * Read an address: `ws://`, `wss://`, `http://` or `https://` with host and port, with the path of a proxy's prefix or of
 * the stream itself.
 * @throws WavelaneError `invalid_config`
 */
export function address(url: string | URL): Address {
  let stream: URL;
  try {
    stream = new URL(url);
  } catch {
    throw new WavelaneError("invalid_config", `“${url}” is no address of a server: write ws://HOST:PORT or wss://HOST`);
  }
  stream.protocol = { "http:": "ws:", "https:": "wss:" }[stream.protocol] ?? stream.protocol;
  if (stream.protocol !== "ws:" && stream.protocol !== "wss:") {
    throw new WavelaneError("invalid_config", `“${url}” is no address of a server: write ws://HOST:PORT or wss://HOST`);
  }
  if (!stream.pathname.endsWith(`/${PATH}`)) {
    stream.pathname = stream.pathname.endsWith("/") ? stream.pathname + PATH : `${stream.pathname}/${PATH}`;
  }
  stream.hash = "";
  const base = new URL(stream);
  base.protocol = stream.protocol === "wss:" ? "https:" : "http:";
  base.pathname = stream.pathname.slice(0, -PATH.length);
  base.search = "";
  return { stream: stream.href, base: base.href };
}

/**
 * The subprotocols that carry an API key, because pages can't set headers.
 * @throws WavelaneError `invalid_config` for a key that a subprotocol can't carry
 */
export function subprotocols(apiKey: string | undefined): string[] {
  if (apiKey === undefined) return [];
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(apiKey)) {
    throw new WavelaneError(
      "invalid_config",
      "A WebSocket can carry an API key of letters, digits and the signs !#$%&'*+-.^_`|~ only: give the server another one",
    );
  }
  return ["wavelane", `token.${apiKey}`];
}

/**
 * Waiting time before a new attempt: doubles from 0.5 s to 8 s, spread by ±25 % so that the clients of a server that
 * came back do not all knock at once.
 * @param attempt from 0
 * @param random in [0, 1)
 * @returns ms
 */
export const backoff = (attempt: number, random: number): number =>
  Math.min(8000, 500 * 2 ** Math.min(attempt, 10)) * (0.75 + 0.5 * random);
