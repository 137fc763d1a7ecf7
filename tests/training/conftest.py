import sys
from pathlib import Path

# The recipe is scripts beside each other, and importlib mode puts no folder on the path.
sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
