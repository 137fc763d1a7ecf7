import sys
from pathlib import Path

# The toy model of the engine's tests: importlib mode puts no folder on the path.
sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
