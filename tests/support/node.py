"""Node, for tests of JavaScript: the one that Playwright brings, so that nothing else has to be installed."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import playwright

BROUGHT = Path(playwright.__file__).parent / "driver" / ("node.exe" if sys.platform == "win32" else "node")
NODE = Path(os.environ.get("TEST_NODE", BROUGHT))
"""``npm test`` in clients/js names its own."""


def run_node_tests(files: Iterable[Path], environment: Mapping[str, str] | None = None) -> None:
    """Run files of ``node:test``; fails with what they said."""
    assert NODE.exists(), f"{NODE} is missing: reinstall playwright, which brings it"
    result = subprocess.run(
        [str(NODE), "--test", "--test-reporter=spec", *map(str, files)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(environment or {})},
    )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
