import sys
from pathlib import Path

# The benchmarks are scripts beside each other, and importlib mode puts no folder on the path.
TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS.parent / "benchmarks"), str(TESTS / "engine")]
