/** Failures, each with a stable code of the protocol. */
import type { ErrorCode, FailureEvent } from "./schema.js";

/** Something was refused or broke. The message says what, and what to do. */
export class WavelaneError extends Error {
  override readonly name = "WavelaneError";
  /** Stable; see the table in server/README.md. `unavailable`: no server answers, or the connection broke. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(sentence(message));
    this.code = code;
  }

  /** Whether trying again, later or elsewhere, may help. */
  get temporary(): boolean {
    return TEMPORARY.has(this.code);
  }
}

const TEMPORARY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(["overloaded", "backlog_exceeded", "idle_timeout", "slow_client", "shutting_down"] as const),
  ...(["deadline_exceeded", "cancelled", "unavailable", "internal"] as const),
]);

/** Close codes of a connection that broke before its error could be read. */
const CLOSE_CODES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  1009: ["message_too_big", "The server refused a message as too big"],
  1011: ["internal", "The server failed"],
  1012: ["shutting_down", "The server is restarting"],
  1013: ["overloaded", "The server is full"],
  4400: ["invalid_config", "The server refused the session (close code 4400)"],
  4401: ["unauthenticated", "The server asks for an API key"],
  4404: ["model_not_found", "The server does not have what was asked for (close code 4404)"],
  4408: ["idle_timeout", "The server heard nothing for too long"],
  4409: ["slow_client", "The server gave up, because its results were not read"],
  4422: ["invalid_audio", "The server could not read the audio (close code 4422)"],
  4429: ["backlog_exceeded", "More audio was sent than the server keeps"],
};

/**
 * What the end of a connection means.
 * @param closeCode as in the WebSocket's close event
 * @param failure the last fatal error that the server sent on this connection
 * @param wasReady whether the session had begun
 */
export function explainClose(closeCode: number, failure: FailureEvent | null, wasReady: boolean): WavelaneError {
  if (failure) return new WavelaneError(failure.code, failure.message);
  const known = CLOSE_CODES[closeCode];
  if (known) return new WavelaneError(...known);
  return new WavelaneError("unavailable", wasReady ? "The connection was lost" : "The server does not answer");
}

/**
 * Why a server refused the handshake, which WebSockets keep from programs: its answer about readiness, then its answer
 * to the same key over HTTP, say more.
 * @param base address of the server over HTTP, with a slash at its end
 * @param headers with the API key, if there is one
 */
export async function explainRefusal(base: string, headers: Record<string, string>): Promise<WavelaneError> {
  try {
    const signal = AbortSignal.timeout(REFUSAL_MS);
    const readiness = await fetch(new URL("readyz", base), { signal });
    if (readiness.status === 503) return notReady(await readiness.json());
    const answer = await fetch(new URL("v1/models", base), { headers, signal });
    if (answer.ok) return new WavelaneError("overloaded", "The server takes no more sessions just now");
    const { error } = (await answer.json()) as { error: { code: ErrorCode; message: string } };
    return new WavelaneError(error.code, error.message);
  } catch {
    return (await isForeign(base)) ?? new WavelaneError("unavailable", "The server does not answer");
  }
}

/** A server of another origin may keep its answers from this page, but not that it answers. */
async function isForeign(base: string): Promise<WavelaneError | null> {
  const origin: string | undefined = globalThis.location?.origin;
  if (origin === undefined || new URL(base).origin === origin) return null;
  try {
    await fetch(new URL("livez", base), { mode: "no-cors", signal: AbortSignal.timeout(REFUSAL_MS) });
  } catch {
    return null;
  }
  return new WavelaneError(
    "unavailable",
    `The server answers, but does not let pages from ${origin} in: its setting server.allowed_origins names those that may`,
  );
}

/** Longest time that finding out may take (ms). */
const REFUSAL_MS = 3_000;

function notReady(answer: unknown): WavelaneError {
  const reason = answer !== null && typeof answer === "object" && "reason" in answer ? answer.reason : null;
  const told = typeof reason === "string" ? `The server is not ready: ${sentence(reason)}` : "The server is not ready";
  return new WavelaneError("unavailable", told);
}

/** With a capital and a full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  const first = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
