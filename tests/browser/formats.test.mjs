import assert from "node:assert/strict";
import { test } from "node:test";
import { clockTime, confidenceLevel, lookaheadLabel, milliseconds, pieces, toSrt, toText } from "../../server/wavelane_server/web/formats.js";

const word = (text, start, end) => ({ text, start, end, confidence: 1 });
const line = (text, words) => ({ kind: "utterance", text, words, start: words[0]?.start ?? 0, end: words.at(-1)?.end ?? 1, confirmed: true });

test("confidence has three levels", () => {
  assert.deepEqual([0, 0.49, 0.5, 0.79, 0.8, 1].map(confidenceLevel), ["low", "low", "medium", "medium", "high", "high"]);
  assert.equal(confidenceLevel(NaN), "low");
});

test("times and figures read well", () => {
  assert.deepEqual([0, 5.9, 65, 3723].map(clockTime), ["0:00", "0:05", "1:05", "1:02:03"]);
  assert.deepEqual([null, 12.4, 9949, 12_340].map(milliseconds), ["–", "12 ms", "9949 ms", "12.3 s"]);
  assert.deepEqual([0, 6, 13].map((frames) => lookaheadLabel(frames, 0.08)), ["80 ms", "560 ms", "1.12 s"]);
});

test("a text is cut at its words and put together again", () => {
  const words = [word("Well", 0, 1), word("no", 1, 2), word("no", 2, 3)];
  const cut = pieces("Well, no no!", words);
  assert.equal(cut.map((piece) => piece.text).join(""), "Well, no no!");
  assert.deepEqual(cut.filter((piece) => piece.word).map((piece) => piece.word.start), [0, 1, 2]);
  assert.deepEqual(pieces("你好", [word("你", 0, 1), word("好", 1, 2)]).length, 2, "languages without spaces");
  assert.deepEqual(pieces("five", [word("5", 0, 1)]), [{ text: "five", word: null }], "words that are not in the text");
  assert.deepEqual(pieces("", []), []);
});

test("plain text has a line for each utterance", () => {
  assert.equal(toText([{ kind: "source", label: "a" }, line("one", []), { kind: "gap", seconds: 2 }, line("two", [])]), "one\ntwo\n");
  assert.equal(toText([]), "");
});

test("subtitles are numbered, split at words, and follow each other over sources", () => {
  const long = Array.from({ length: 30 }, (_, index) => word(`word${index}`, index * 0.5, index * 0.5 + 0.4));
  const srt = toSrt([
    { kind: "source", label: "a" }, line(long.map((one) => one.text).join(" "), long),
    { kind: "source", label: "b" }, line("end", [word("end", 1, 3661.0625)]),
  ]);
  const cues = srt.trim().split("\n\n").map((cue) => cue.split("\n"));
  assert.deepEqual(cues.map((cue) => cue[0]), cues.map((_, index) => String(index + 1)));
  assert.equal(cues.slice(0, -1).map((cue) => cue[2]).join(" "), long.map((one) => one.text).join(" "));
  for (const cue of cues) assert.ok(cue[2].length <= 84);
  assert.equal(cues[0][1].split(" --> ")[0], "00:00:00,000");
  assert.equal(cues.at(-1)[1], "00:00:15,900 --> 01:01:15,963");
});
