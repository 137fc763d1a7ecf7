/** Writes src/schema.ts: the messages' types, from the JSON schema that the server writes of its own classes. */
import { readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";

const SCHEMA = new URL("../../../protos/wavelane/v1/stream.schema.json", import.meta.url);
export const TARGET = new URL("../src/schema.ts", import.meta.url);
const BANNER = `/**
 * Generated from protos/wavelane/v1/stream.schema.json by \`npm run types\`; not to be edited.
 * All times are integers in samples at \`clock_rate\` since the first sample of the audio.
 */`;

/** Messages from the server are called events here: \`Partial\` and \`Error\` have a meaning of their own in TypeScript. */
function renamed(schema) {
  const events = schema.$defs.ServerMessage.oneOf.map(({ $ref }) => $ref.replace("#/$defs/", ""));
  const names = new Map(events.map((name) => [name, name === "Error" ? "FailureEvent" : `${name}Event`]));
  const text = JSON.stringify(schema, (key, value) => {
    if (key === "$ref") return value.replace(/\w+$/, (name) => names.get(name) ?? name);
    if (key === "$defs") return Object.fromEntries(Object.entries(value).map(([name, type]) => [names.get(name) ?? name, type]));
    return value;
  });
  return JSON.parse(text);
}

/** Without titles, which would make a type of every field, and without what TypeScript can't say. */
function simplified(node) {
  if (Array.isArray(node)) return node.map(simplified);
  if (node === null || typeof node !== "object") return node;
  if (typeof node.$ref === "string") return { $ref: node.$ref };
  const kept = Object.entries(node).filter(([key, value]) => typeof value === "object" || !/^title$|^max|^min/.test(key));
  return Object.fromEntries(kept.map(([key, value]) => [key, key === "description" && typeof value === "string" ? plain(value) : simplified(value)]));
}

/** From the markup of Python's docstrings. */
const plain = (text) =>
  text.replaceAll("``", "`").replaceAll(/:(?:class|data):`(\w+)`/g, "`$1`").replaceAll(/\bNone\b/g, "null");

/** The file's content as it should be. */
export async function generate() {
  const schema = simplified(renamed(JSON.parse(await readFile(SCHEMA, "utf8"))));
  return compile(schema, "Message", { additionalProperties: false, bannerComment: BANNER, style: { printWidth: 120 } });
}

if (process.argv[1] === new URL(import.meta.url).pathname) await writeFile(TARGET, await generate());
