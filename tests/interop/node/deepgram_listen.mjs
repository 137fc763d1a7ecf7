// @deepgram/sdk on /v1/listen and /v2/listen: node deepgram_listen.mjs v1|v2 URL KEY FILE OPTIONS STEPS
//
// OPTIONS is the JSON object for connect. STEPS is a JSON list of methods of the socket to call after the audio, each
// [NAME, MESSAGE]. Prints the messages that come, one a line, and how the connection ended.
import { readFileSync } from "node:fs";
import { DeepgramClient } from "@deepgram/sdk";

const [version, url, key, file, options, steps] = process.argv.slice(2);
const http = url.replace(/^ws/, "http");
const environment = { base: http, production: url, agent: url, agentRest: http };
const client = new DeepgramClient({ apiKey: key, environment });

const show = (value) => console.log(JSON.stringify(value));
const socket = await client.listen[version].connect({ ...JSON.parse(options), reconnectAttempts: 0 });
const over = new Promise((resolve) => {
  socket.on("message", show);
  socket.on("error", (error) => show({ type: "error", message: String(error.message) }));
  socket.on("close", (event) => resolve(show({ type: "closed", code: event.code, reason: event.reason })));
});
socket.connect();
try {
  await socket.waitForOpen();
  const audio = readFileSync(file);
  for (let at = 0; at < audio.length; at += 1000) socket.sendMedia(audio.subarray(at, at + 1000));
  for (const [name, message] of JSON.parse(steps)) socket[name](message);
} catch (error) {
  show({ type: "error", message: String(error.message) });
}
await over;
