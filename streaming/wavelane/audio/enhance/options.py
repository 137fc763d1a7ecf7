"""What a session asks of the front end."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Suppression = Literal["off", "low", "moderate", "high", "very_high"]


class AudioOptions(BaseModel):
    """What is done to the audio before it is recognised. What is off costs nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    gain: Literal["off", "auto"] = "auto"
    """``auto``: speech that is very quiet is amplified, speech that is very loud is attenuated, after a second of
    speech, without delay and without clipping; what lies between is left as it is, bit for bit."""
    remove_dc: bool = True
    """Take out a constant offset above 0.5 % of full scale, as cheap sound cards add."""
    noise_suppression: Suppression = "off"
    """WebRTC's noise suppressor, weakest to strongest (extra ``noise``), 6 ms of delay. For models that do not know
    noise; it costs words where the model does."""
    report: bool = True
    """Tell the client when its audio is clipped, silent as with a muted microphone, or too quiet (``audio_issue``)."""
    lead_ms: Annotated[int, Field(ge=0, le=2_000)] = 160
    """Silence that the encoder hears before a stream of audio (ms): a model hears a word better that is not its first
    frame. 0: none, as in the reference implementations."""
    tail_ms: Annotated[int, Field(ge=0, le=2_000)] = 160
    """Silence that the encoder hears where the audio ends, at the end and at a flush (ms); nothing waits for it, and a
    word at the very end is not lost. 0: none, as in the reference implementations."""

    @property
    def processing(self) -> bool:
        """Whether the audio is looked at before it is recognised."""
        return self.gain != "off" or self.remove_dc or self.noise_suppression != "off" or self.report
