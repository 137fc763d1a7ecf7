"""Messages of ``nvidia.riva.asr``."""

from typing import Any

from riva.client.proto import riva_asr_pb2 as asr
from riva.client.proto import riva_audio_pb2 as audio
from riva.client.proto import riva_common_pb2 as common

from wavelane.events import CLOCK_RATE, Alternative, Word

RecognizeRequest: Any = asr.RecognizeRequest
RecognizeResponse: Any = asr.RecognizeResponse
RequestId: Any = common.RequestId
RivaSpeechRecognitionConfigRequest: Any = asr.RivaSpeechRecognitionConfigRequest
RivaSpeechRecognitionConfigResponse: Any = asr.RivaSpeechRecognitionConfigResponse
SpeechRecognitionAlternative: Any = asr.SpeechRecognitionAlternative
SpeechRecognitionResult: Any = asr.SpeechRecognitionResult
StreamingRecognitionResult: Any = asr.StreamingRecognitionResult
StreamingRecognizeRequest: Any = asr.StreamingRecognizeRequest
StreamingRecognizeResponse: Any = asr.StreamingRecognizeResponse
AudioEncoding: Any = audio.AudioEncoding

_PER_MS = CLOCK_RATE // 1000


def seconds(ticks: int) -> float:
    """A time of the sample clock (s)."""
    return ticks / CLOCK_RATE


def alternatives(found: tuple[Alternative, ...], *, words: bool, language: str) -> list[Any]:
    """Hypotheses, the best first. Riva's transcripts end with a space: they are made to be written one after the other.

    Args:
        found: hypotheses of an utterance.
        words: with words.
        language: code that the client asked for, empty for none.
    """
    codes = [language] if language else []
    return [
        SpeechRecognitionAlternative(
            transcript=f"{each.text} " if each.text else "",
            confidence=each.confidence,
            words=[_word(word, language) for word in each.words] if words else [],
            language_code=codes,
        )
        for each in found
    ]


def _word(word: Word, language: str) -> dict[str, Any]:
    return {
        "word": word.text,
        "start_time": word.start // _PER_MS,
        "end_time": word.end // _PER_MS,
        "confidence": word.confidence,
        "language_code": language,
    }
