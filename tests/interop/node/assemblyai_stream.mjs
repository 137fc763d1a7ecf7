// assemblyai for node: node assemblyai_stream.mjs WS_URL KEY PCM, PCM linear16 at 16 kHz. Prints every event.
import { readFileSync } from "node:fs";
import { StreamingTranscriber } from "assemblyai";
import { withTls } from "./tls.mjs";

const [url, apiKey, pcm] = process.argv.slice(2);
const show = (value) => console.log(JSON.stringify(value));
const tls = await withTls(url);
const transcriber = new StreamingTranscriber({
  apiKey,
  websocketBaseUrl: `wss://127.0.0.1:${tls.port}/v3/ws`,
  sampleRate: 16000,
  speechModel: "universal-streaming-english",
  formatTurns: true,
  keyterms: ["left"],
});
transcriber.on("open", show);
transcriber.on("turn", show);
transcriber.on("error", (error) => show({ type: "error", message: String(error) }));
await transcriber.connect();
const audio = readFileSync(pcm);
for (let at = 0; at < audio.length; at += 3200) transcriber.sendAudio(audio.subarray(at, at + 3200));
await transcriber.close();
tls.end();
