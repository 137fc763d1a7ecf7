/**
 * Copies the built modules to where the server's page takes them from, with checksums of the sources that they were
 * built of, so that machines without TypeScript notice a build that was forgotten.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";

const SOURCES = new URL("../src/", import.meta.url);
const BUILT = new URL("../dist/", import.meta.url);
export const PUBLISHED = new URL("../../../server/wavelane_server/web/client/", import.meta.url);

const checksum = (text) => createHash("sha256").update(text).digest("hex");

/** Every file of the page's folder, by name, as it should be. */
export async function contents() {
  const files = new Map();
  const checksums = {};
  for (const source of (await readdir(SOURCES)).sort()) {
    checksums[source] = checksum(await readFile(new URL(source, SOURCES)));
    const name = source.replace(/\.ts$/, ".js");
    const built = await readFile(new URL(name, BUILT), "utf8");
    // Of types alone nothing is left.
    if (built.replaceAll(/\/\*[^]*?\*\//g, "").trim() === "export {};") continue;
    files.set(name, `// Generated from clients/js/src/${source} by \`make js\`; not to be edited.\n${built}`);
  }
  const built = Object.fromEntries([...files].map(([name, text]) => [name, checksum(text)]));
  return files.set("checksums.json", `${JSON.stringify({ sources: checksums, built }, null, 2)}\n`);
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  await rm(PUBLISHED, { recursive: true, force: true });
  await mkdir(PUBLISHED, { recursive: true });
  for (const [name, text] of await contents()) await writeFile(new URL(name, PUBLISHED), text);
}
