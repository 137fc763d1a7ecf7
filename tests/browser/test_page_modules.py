"""Runs the tests of the page's modules that need no browser."""

import subprocess
import sys
from pathlib import Path

import playwright

HERE = Path(__file__).parent


def test_the_modules_pass_their_tests() -> None:
    # Playwright brings a Node of its own, so nothing else has to be installed.
    node = Path(playwright.__file__).parent / "driver" / ("node.exe" if sys.platform == "win32" else "node")
    assert node.exists(), f"{node} is missing: reinstall playwright, which brings it"
    files = sorted(str(path) for path in HERE.glob("*.test.mjs"))
    assert len(files) >= 7
    result = subprocess.run(
        [str(node), "--test", "--test-reporter=spec", *files], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
