from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def speech_folder():
    return Path(__file__).parents[1] / "data" / "speech"
