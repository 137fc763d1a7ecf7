"""Runs the tests of the page's modules that need no browser."""

from pathlib import Path

from support.node import run_node_tests


def test_the_modules_pass_their_tests() -> None:
    files = sorted(Path(__file__).parent.glob("*.test.mjs"))
    assert len(files) >= 3
    run_node_tests(files)
