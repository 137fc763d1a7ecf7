#!/usr/bin/env node
/**
 * Words of an audio file, as they are recognised: node stt_from_file.mjs FILE [URL]
 *
 * The file goes as it is (WAV, FLAC, Ogg or WebM Opus, MP3, ...), as fast as the server takes it. The API key of a server
 * that asks for one is read from WAVELANE_API_KEY.
 */
import { openAsBlob } from "node:fs";
import { connect } from "@wavelane/client";

const [file, url = "ws://127.0.0.1:8080"] = process.argv.slice(2);
if (!file) {
  console.error("usage: node stt_from_file.mjs FILE [URL]");
  process.exit(2);
}

const connecting = { apiKey: process.env.WAVELANE_API_KEY };
// From version 22 on, Node has a WebSocket of its own.
if (!globalThis.WebSocket) connecting.WebSocket = (await import("ws")).WebSocket;

try {
  const stream = await connect(url, { encoding: "container" }, connecting);
  void stream.send(await openAsBlob(file));
  stream.end();
  const { clock_rate } = stream.ready;
  for await (const event of stream) {
    if (event.type === "final" && event.alternatives[0].text) {
      const [start, end] = [event.start, event.end].map((at) => (at / clock_rate).toFixed(2));
      console.log(`[${start}–${end}] ${event.alternatives[0].text}`);
    } else if (event.type === "interrupted") {
      console.error(`${event.error.message} Trying again in ${(event.retry_ms / 1000).toFixed(1)} s.`);
    }
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
