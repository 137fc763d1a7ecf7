"""Models that ship inside the package."""

from importlib import resources
from pathlib import Path

from wavelane.errors import ErrorCode, WavelaneError

EMBEDDED = {
    "wavelane-en-small": "English, 7.5 M parameters, CTC; a first start that hears words, see its MODEL_CARD.md",
}
"""Name to one line of description."""

DEFAULT = "wavelane-en-small"


def embedded_path(name: str = DEFAULT) -> Path:
    """Folder of an embedded model, in the native format.

    Raises:
        WavelaneError: there is none of this name.
    """
    if name not in EMBEDDED:
        raise WavelaneError(
            ErrorCode.MODEL_NOT_FOUND, f"There is no embedded model {name!r}; there is {', '.join(EMBEDDED)}."
        )
    # The wheel is always installed unpacked, so the resource is a folder.
    return Path(str(resources.files("wavelane") / "assets" / name))
