/** Fails where something that is made from something else was not made anew, or where the page's types are wrong. */
import { spawnSync } from "node:child_process";
import { cp, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PUBLISHED, contents } from "./publish.mjs";
import { TARGET, generate } from "./schema.mjs";

const PAGE = fileURLToPath(new URL("../", PUBLISHED));
const BUILT = fileURLToPath(new URL("../dist", import.meta.url));
const TSC = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));

if ((await readFile(TARGET, "utf8")) !== (await generate())) {
  throw new Error("the protocol changed: npm run types, and commit src/schema.ts");
}

const expected = await contents();
const found = await readdir(PUBLISHED);
const stale = [...new Set([...expected.keys(), ...found])];
for (const name of stale) {
  const same = found.includes(name) && (await readFile(new URL(name, PUBLISHED), "utf8")) === expected.get(name);
  if (!same) throw new Error(`${fileURLToPath(PUBLISHED)}${name} is not what the sources give: npm run build, and commit it`);
}

// The page's modules are JavaScript with types in comments; beside them are the library's declarations.
const folder = await mkdtemp(join(tmpdir(), "wavelane-page-"));
try {
  await cp(PAGE, folder, { recursive: true });
  await rm(join(folder, "client"), { recursive: true });
  await cp(BUILT, join(folder, "client"), { recursive: true, filter: (path) => path === BUILT || path.endsWith(".d.ts") });
  const modules = (await readdir(folder)).filter((name) => name.endsWith(".js"));
  const options = "--noEmit --checkJs --allowJs --strict --target esnext --module nodenext --lib esnext,dom,dom.iterable";
  const command = [TSC, ...options.split(" "), "--types", "", ...modules];
  process.exitCode = spawnSync(process.execPath, command, { cwd: folder, stdio: "inherit" }).status ?? 1;
} finally {
  await rm(folder, { recursive: true });
}
