"""The client in TypeScript: what is committed is what was built, and the modules pass their tests."""

import hashlib
import json
from pathlib import Path

import wavelane
from support.node import run_node_tests

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCES = ROOT / "clients" / "js" / "src"
BUILT = ROOT / "server" / "wavelane_server" / "web" / "client"
RECORD = "checksums.json"


def checksums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_pages_modules_are_built_of_these_sources() -> None:
    # TypeScript is not on every machine; `npm test` compares with a fresh build.
    recorded = json.loads((BUILT / RECORD).read_text())
    built = checksums(BUILT)
    del built[RECORD]
    advice = "run `make js` and commit server/wavelane_server/web/client"
    assert recorded["sources"] == checksums(SOURCES), f"the sources of the client changed: {advice}"
    assert recorded["built"] == built, f"the built client was edited by hand: {advice}"


def test_it_has_the_version_of_its_server() -> None:
    assert json.loads((SOURCES.parent / "package.json").read_text())["version"] == wavelane.__version__


def test_the_modules_pass_their_tests() -> None:
    files = sorted(HERE.glob("*.test.mjs"))
    assert len(files) >= 7
    run_node_tests(files)
