"""How recognised text is written, as a session asks for it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from wavelane.text.replace import check


def _checked(phrases: dict[str, str]) -> dict[str, str]:
    check(phrases)
    return phrases


class TextOptions(BaseModel):
    """How text is written. Without any of it, finals hold the words as the model writes them."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    itn: bool = False
    """Write numbers, money, times, dates, measures, telephone numbers, addresses and spelled letters as figures and
    signs (inverse text normalisation): ``twenty five dollars`` is ``$25``. English."""
    punctuation: bool = False
    """Set commas, full stops and question marks, unless the model writes its own. English."""
    capitals: bool = False
    """Begin sentences and names with a capital, unless the model writes its own. English."""
    profanity: Literal["keep", "mask"] = "keep"
    """``mask``: swear words show their first letter and asterisks. English."""
    verbatim: bool = True
    """False: leave out fillers (um, uh) and words that are stammered twice. English."""
    replace: Annotated[dict[str, str], AfterValidator(_checked)] = {}
    """What is written for a phrase that is heard, as ``{"wave lane": "Wavelane"}``; whole words, whatever their
    capitals; nothing for an empty one. At most 1,000 phrases of 10 words; given anew as a whole. Any language."""

    @property
    def ruled(self) -> tuple[str, ...]:
        """Names of the options in effect that need rules for the language."""
        wanted = {
            "itn": self.itn,
            "punctuation": self.punctuation,
            "capitals": self.capitals,
            "profanity": self.profanity == "mask",
            "verbatim": not self.verbatim,
        }
        return tuple(name for name, on in wanted.items() if on)

    @property
    def active(self) -> bool:
        """Whether anything is to be written otherwise than it was heard."""
        return bool(self.ruled or self.replace)
