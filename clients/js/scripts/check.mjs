/** Fails where something that is made from something else was not made anew, or where types do not hold. */
import { spawnSync } from "node:child_process";
import { cp, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PUBLISHED, contents } from "./publish.mjs";
import { TARGET, generate } from "./schema.mjs";

const PAGE = fileURLToPath(new URL("../", PUBLISHED));
const BUILT = fileURLToPath(new URL("../dist", import.meta.url));
const PACKAGE = fileURLToPath(new URL("../package.json", import.meta.url));
const USAGE = fileURLToPath(new URL("../../../tests/clients_js/usage.ts", import.meta.url));
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

function compiles(folder, ...files) {
  const command = [TSC, ..."--noEmit --strict --target esnext --lib esnext,dom,dom.iterable,dom.asynciterable".split(" "), "--types", ""];
  const done = spawnSync(process.execPath, [...command, ...files], { cwd: folder, stdio: "inherit" });
  if (done.status !== 0) process.exitCode = 1;
}

const folder = await mkdtemp(join(tmpdir(), "wavelane-types-"));
try {
  // The page's modules are JavaScript with types in comments; beside them are the library's declarations.
  const page = join(folder, "page");
  await cp(PAGE, page, { recursive: true });
  await rm(join(page, "client"), { recursive: true });
  await cp(BUILT, join(page, "client"), { recursive: true, filter: (path) => path === BUILT || path.endsWith(".d.ts") });
  const modules = (await readdir(page)).filter((name) => name.endsWith(".js"));
  compiles(page, "--checkJs", "--allowJs", "--module", "nodenext", ...modules);

  // Programs that have the package installed.
  const program = join(folder, "program");
  await cp(USAGE, join(program, "usage.mts"));
  await cp(BUILT, join(program, "node_modules/@wavelane/client/dist"), { recursive: true });
  await cp(PACKAGE, join(program, "node_modules/@wavelane/client/package.json"));
  for (const resolution of ["nodenext", "esnext --moduleResolution bundler"]) {
    compiles(program, "--exactOptionalPropertyTypes", "--module", ...resolution.split(" "), "usage.mts");
  }
} finally {
  await rm(folder, { recursive: true });
}
