"""Generate ``wavelane_protos`` and the message schema; ``--check`` only compares. Needs grpcio-tools."""

import argparse
import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

from wavelane_server.adapters.schema import render

ROOT = Path(__file__).resolve().parent
SOURCES = ("wavelane/v1/asr.proto",)
PACKAGE = "wavelane_protos"


def generate(target: Path) -> dict[Path, str]:
    """Text of every generated file, by its path below ``target``.

    protoc runs with ``-Iprotos``, so that descriptors are registered as ``wavelane/v1/asr.proto``, the name that any
    other user of the same definitions gets. Imports between the generated modules are moved into the package, since a
    top-level Python package ``wavelane`` is the library itself.
    """
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            "protoc",
            f"-I{ROOT}",
            f"-I{files('grpc_tools') / '_proto'}",
            f"--python_out={folder}",
            f"--pyi_out={folder}",
            f"--grpc_python_out={folder}",
            *SOURCES,
        ]
        if protoc.main(arguments):
            raise SystemExit("protoc failed")
        return {
            target / path.relative_to(folder): re.sub(
                r"^from wavelane\.", f"from {PACKAGE}.wavelane.", path.read_text(), flags=re.MULTILINE
            )
            for path in sorted(Path(folder).rglob("*.py*"))
        }


def main() -> int:
    """Write the files, or say which differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 when the committed files differ")
    check = parser.parse_args().check
    made = generate(ROOT / PACKAGE)
    made[ROOT / "wavelane" / "v1" / "stream.schema.json"] = render()
    for folder in (ROOT / PACKAGE / "wavelane", ROOT / PACKAGE / "wavelane" / "v1"):
        made.setdefault(folder / "__init__.py", '"""Generated code of the protocol definitions in ``protos/``."""\n')
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if check:
        print("\n".join(f"{path} is not what its definition generates" for path in stale) or "up to date")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
