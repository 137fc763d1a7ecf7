import sys
from pathlib import Path

# The engine's toy model is a module beside its tests.
sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))
