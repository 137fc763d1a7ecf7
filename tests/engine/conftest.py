import sys
from pathlib import Path

# The test helpers of this folder are modules beside it: importlib mode puts no folder on the path.
sys.path.insert(0, str(Path(__file__).parent))
