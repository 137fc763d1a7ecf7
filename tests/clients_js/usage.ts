/** What programs may write in TypeScript, and what they may not; compiled by `npm test`, never run. */
import { type Config, type EventOf, Microphone, type Options, Stream, WavelaneError, connect } from "@wavelane/client";

const options: Options = { encoding: "container", lookahead: "auto", text: { itn: true }, language: null };
const stream = await connect("ws://h", options, { WebSocket, apiKey: undefined });
const off: () => void = stream.on("final", ({ alternatives, intent }) => console.log(alternatives[0]?.text, intent?.slots.size));
const handler = (event: EventOf<"partial">): number => event.stable;
new Stream("ws://h").on("partial", handler);
for await (const event of stream) {
  if (event.type === "interrupted") console.log(event.error.code === "unavailable", event.retry_ms);
  else if (event.type === "gap") console.log(event.end - event.start);
  else if (event.type === "endpoint") console.log(event.reason satisfies "silence" | "no_text" | "max_utterance" | "flush" | "end" | "failure");
}
const config: Config = stream.ready.config;
console.log(config.text.replace["a"], config.vad.pre_roll_ms, new WavelaneError("internal", "x").temporary, off);
await stream.send(new Int16Array(3));
stream.reconfigure({ hotwords: ["x", { phrase: "y", boost: 2 }] });
stream.correct({ utterance: 0, was: "a", should_be: "b" });
await (await Microphone.open({ deviceId: "x" })).start(({ samples }) => void stream.send(samples));

// @ts-expect-error no such option
await connect("ws://h", { sample_rat: 1 });
// @ts-expect-error it can't change while a session runs
stream.reconfigure({ sample_rate: 8000 });
// @ts-expect-error no such event
stream.on("finale", () => {});
// @ts-expect-error not before there is a session
console.log(new Stream("ws://h").ready.model);
// @ts-expect-error no such field
stream.on("closed", ({ text }) => console.log(text));
