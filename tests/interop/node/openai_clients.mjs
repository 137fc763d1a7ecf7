// openai for node, on the Realtime API and for files: node openai_clients.mjs HTTP_URL KEY PCM FILE
//
// PCM is linear16 at 16 kHz. Prints every event of the realtime session, and every event of the file's stream.
import { createReadStream, readFileSync } from "node:fs";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { withTls } from "./tls.mjs";

const [url, apiKey, pcm, file] = process.argv.slice(2);
const tls = await withTls(url);
const client = new OpenAI({ apiKey, baseURL: `https://127.0.0.1:${tls.port}/v1`, maxRetries: 0 });
const show = (value) => console.log(JSON.stringify(value));

const realtime = new OpenAIRealtimeWS({ intent: "transcription" }, client);
const over = new Promise((resolve) => realtime.socket.on("close", resolve));
realtime.on("event", (event) => {
  show(event);
  if (event.type === "session.created") {
    const input = { format: { type: "audio/pcm", rate: 16000 }, turn_detection: null };
    realtime.send({ type: "session.update", session: { type: "transcription", audio: { input } } });
    const audio = readFileSync(pcm);
    for (let at = 0; at < audio.length; at += 3200) {
      const block = audio.subarray(at, at + 3200).toString("base64");
      realtime.send({ type: "input_audio_buffer.append", audio: block });
    }
    realtime.send({ type: "input_audio_buffer.commit" });
  } else if (event.type === "conversation.item.done") realtime.close();
});
realtime.on("error", (error) => show({ type: "error", message: String(error) }));
await over;

const stream = await client.audio.transcriptions.create({
  file: createReadStream(file),
  model: "gpt-4o-transcribe",
  stream: true,
  include: ["logprobs"],
  chunking_strategy: { type: "server_vad", prefix_padding_ms: 500 },
});
for await (const event of stream) show(event);
tls.end();
