/** How to reach a server. */

/** What a stream needs of a WebSocket: that of browsers, of Node from 22 on, and of the package `ws` have it. */
export interface Socket {
  readonly readyState: number;
  readonly bufferedAmount: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer> | Blob): void;
  close(code?: number): void;
}

/** How to reach the server, and how long to try. */
export interface Connecting {
  /** One of the server's API keys, where it asks for one. */
  apiKey?: string | undefined;
  /** Connections that may fail in a row, or get no further, before the stream gives up; 10, which is a minute. */
  retries?: number | undefined;
  /** Audio that an interruption may take (s), 60; what was unfinished when it began is kept on top. */
  keepSeconds?: number | undefined;
  /** The WebSocket to use, for Node 20: that of the package `ws`. */
  WebSocket?: (new (url: string, protocols: string[]) => Socket) | undefined;
}
