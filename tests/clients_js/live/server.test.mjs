/** The client against a real server at TEST_SERVER, with speech of 16 bits at 16 kHz in the file TEST_SPEECH. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { openAsBlob } from "node:fs";
import { cp, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect as dial, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Stream, connect } from "../../../server/wavelane_server/web/client/index.js";

const URL_ = process.env.TEST_SERVER;
const SPEECH = fileURLToPath(new URL("../../data/speech/commands.flac", import.meta.url));
const PACKAGE = fileURLToPath(new URL("../../../clients/js/", import.meta.url));
const BUILT = fileURLToPath(new URL("../../../server/wavelane_server/web/client/", import.meta.url));
const PCM = await readFile(process.env.TEST_SPEECH);
// Node has a WebSocket of its own from version 22 on.
const own = globalThis.WebSocket ? {} : { WebSocket: createRequire(PACKAGE)("ws").WebSocket };

async function finals(stream) {
  const found = [];
  for await (const event of stream) if (event.type === "final") found.push(event);
  return found;
}
const words = (found) => found.flatMap(({ alternatives: [best] }) => best.words.map(({ text, start, end }) => [text, start, end]));

/** What the server makes of the raw speech in one go. */
async function whole(options = {}) {
  const stream = await connect(URL_, options, own);
  void stream.send(PCM);
  stream.end();
  return finals(stream);
}

test("a file has the words that the server writes for it", async () => {
  const form = new FormData();
  form.append("file", await openAsBlob(SPEECH), "commands.flac");
  form.append("response_format", "text");
  const answer = await fetch(new URL("v1/audio/transcriptions", URL_.replace("ws", "http")), { method: "POST", body: form });
  const stream = await connect(URL_, { encoding: "container" }, own);
  void stream.send(await openAsBlob(SPEECH));
  stream.end();
  const found = await finals(stream);
  assert.deepEqual(words(found).map(([text]) => text), (await answer.text()).split(/\s+/).filter(Boolean));
  assert.ok(words(found).length >= 3);
  assert.deepEqual(found.map(({ utterance }) => utterance), [...found.keys()]);
});

test("bytes may be cut anywhere, and handlers hear the same as iterators", async () => {
  const stream = await connect(URL_, {}, own);
  const heard = [];
  const types = new Set();
  stream.on("final", (event) => heard.push(event));
  for (const type of ["partial", "speech_started", "speech_stopped", "endpoint", "closed"]) stream.on(type, (event) => types.add(event.type));
  for (let at = 0, size = 1; at < PCM.byteLength; at += size, size = (size * 7 + 3) % 9973) await stream.send(PCM.subarray(at, at + size));
  stream.end();
  await stream.done;
  assert.deepEqual(words(heard), words(await whole()));
  assert.deepEqual([...types].sort(), ["closed", "endpoint", "partial", "speech_started", "speech_stopped"]);
});

test("flushes, changes and refusals are answered in the session", async () => {
  const stream = await connect(URL_, { partials: false, text: { itn: true } }, own);
  void stream.send(PCM.subarray(0, 64_000));
  stream.flush();
  stream.reconfigure({ text: { capitals: true } });
  stream.reconfigure({ lookahead: 63 });
  void stream.send(PCM.subarray(64_000));
  stream.end();
  const events = [];
  for await (const event of stream) events.push(event);
  const of = (type) => events.filter((event) => event.type === type);
  assert.equal(of("flushed")[0].at, 32_000);
  assert.deepEqual([of("configured")[0].config.text.itn, of("configured")[0].config.text.capitals], [true, true]);
  assert.deepEqual([of("error")[0].code, of("error")[0].fatal], ["invalid_config", false]);
  assert.equal(of("closed")[0].received, PCM.byteLength / 2);
  assert.equal(of("partial").length, 0);
});

test("what is wrong is told with its code", async () => {
  await assert.rejects(connect(URL_, { lookahead: 63 }, own), { name: "WavelaneError", code: "invalid_config", temporary: false });
  await assert.rejects(connect("ws://127.0.0.1:9", {}, own), { code: "unavailable", message: "The server does not answer." });
  const stream = await connect(URL_, { encoding: "container" }, own);
  void stream.send(new Uint8Array(20_000).fill(7));
  stream.end();
  await assert.rejects(stream.done, { code: "invalid_audio" });
});

/** A line to the server that can be cut. */
async function line() {
  const { hostname, port } = new URL(URL_);
  const sockets = new Set();
  const server = createServer((near) => {
    const far = dial(Number(port), hostname);
    for (const [from, to] of [[near, far], [far, near]]) {
      sockets.add(from);
      from.on("error", () => {}).on("close", () => to.destroy()).pipe(to);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `ws://127.0.0.1:${server.address().port}`, cut: () => sockets.forEach((socket) => socket.destroy()), close: () => server.close() };
}

for (const encoding of ["linear16", "container"]) {
  test(`a line that breaks in the middle of a word costs none (${encoding})`, async () => {
    const { url, cut, close } = await line();
    const audio = encoding === "container" ? new Uint8Array(await readFile(SPEECH)) : PCM;
    const stream = new Stream(url, { encoding }, own);
    const found = [];
    const types = [];
    // The rest is sent only when the line was cut, so that an utterance is open then.
    const most = Math.floor(audio.byteLength * 0.72);
    void stream.send(audio.subarray(0, most));
    for await (const event of stream) {
      types.push(event.type);
      if (event.type === "final") found.push(event);
      if (event.type === "partial" && event.utterance === 1 && event.text && !types.includes("interrupted")) cut();
      if (event.type === "interrupted") {
        void stream.send(audio.subarray(most));
        stream.end();
      }
    }
    close();
    assert.ok(types.includes("interrupted"));
    assert.equal(types.filter((type) => type === "ready").length, 2);
    const expected = await whole();
    assert.deepEqual(words(found).map(([text]) => text), words(expected).map(([text]) => text));
    assert.deepEqual(found.map(({ utterance }) => utterance), expected.map(({ utterance }) => utterance));
    for (const [index, [, start]] of words(found).entries()) assert.ok(Math.abs(start - words(expected)[index][1]) <= 0.1 * 16_000);
  });
}

test("the example prints the words of a file, and says why it can't", async () => {
  // As in a project that has the package installed.
  const project = await mkdtemp(join(tmpdir(), "wavelane-example-"));
  const installed = join(project, "node_modules/@wavelane/client");
  await cp(BUILT, join(installed, "dist"), { recursive: true });
  await cp(join(PACKAGE, "package.json"), join(installed, "package.json"));
  if (own.WebSocket) await symlink(join(PACKAGE, "node_modules/ws"), join(project, "node_modules/ws"));
  const example = join(project, "stt_from_file.mjs");
  await cp(join(PACKAGE, "examples/stt_from_file.mjs"), example);
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [example, SPEECH, URL_]);
  const lines = stdout.trim().split("\n");
  assert.ok(lines.every((line) => /^\[\d+\.\d\d–\d+\.\d\d\] \w/.test(line)), stdout);
  assert.equal(lines.map((line) => line.split("] ")[1]).join(" "), words(await whole()).map(([text]) => text).join(" "));
  await assert.rejects(run(process.execPath, [example, SPEECH, "ws://127.0.0.1:9"]), ({ code, stderr }) => code === 1 && /does not answer/.test(stderr));
  await rm(project, { recursive: true });
});
