/** Runs tests/clients_js with this Node: the modules, and against a real server where Python has Wavelane. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const TESTS = `${ROOT}tests/clients_js`;
const run = (program, ...arguments_) => {
  const environment = { ...process.env, TEST_NODE: process.execPath };
  return spawnSync(program, arguments_, { cwd: ROOT, stdio: "inherit", env: environment }).status ?? 1;
};
const has = (python) => spawnSync(python, ["-c", "import pytest, wavelane_server"], { cwd: "/" }).status === 0;

const files = readdirSync(TESTS).filter((name) => name.endsWith(".test.mjs"));
let status = run(process.execPath, "--test", ...files.map((name) => `${TESTS}/${name}`));
const python = [`${ROOT}.venv/bin/python`, "python3"].find(has);
if (python) status ||= run(python, "-m", "pytest", "-q", `${TESTS}/test_client_against_server.py`);
else console.error("No Python with Wavelane here (make setup-dev): the tests against a real server did not run.");
process.exitCode = status;
