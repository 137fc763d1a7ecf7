"""Messages of ``google.cloud.speech.v1``: the plain protobuf classes, whose wrappers cost a multiple of their time."""

from typing import Any

from google.cloud.speech_v1.types import cloud_speech

from wavelane.events import CLOCK_RATE, Alternative, Word

RecognitionConfig: Any = cloud_speech.RecognitionConfig.pb()
RecognizeRequest: Any = cloud_speech.RecognizeRequest.pb()
RecognizeResponse: Any = cloud_speech.RecognizeResponse.pb()
StreamingRecognitionConfig: Any = cloud_speech.StreamingRecognitionConfig.pb()
StreamingRecognitionResult: Any = cloud_speech.StreamingRecognitionResult.pb()
StreamingRecognizeRequest: Any = cloud_speech.StreamingRecognizeRequest.pb()
StreamingRecognizeResponse: Any = cloud_speech.StreamingRecognizeResponse.pb()
SpeechRecognitionAlternative: Any = cloud_speech.SpeechRecognitionAlternative.pb()
SpeechRecognitionResult: Any = cloud_speech.SpeechRecognitionResult.pb()

_NANOS = 1_000_000_000 // CLOCK_RATE


def duration(ticks: int) -> dict[str, int]:
    """A time of the sample clock as the fields of a ``google.protobuf.Duration``, exactly."""
    return {"seconds": ticks // CLOCK_RATE, "nanos": ticks % CLOCK_RATE * _NANOS}


def ticks(message: Any) -> int:
    """A ``google.protobuf.Duration`` on the sample clock."""
    return int(message.seconds) * CLOCK_RATE + int(message.nanos) // _NANOS


def whole_seconds(received: int) -> dict[str, int]:
    """Audio received as the seconds begun, which is how Google counts what is billed."""
    return {"seconds": -(-received // CLOCK_RATE)}


def alternatives(found: tuple[Alternative, ...], lead: str, *, times: bool, confidence: bool) -> list[Any]:
    """Hypotheses, the best first; only that one has a confidence and words.

    Args:
        found: hypotheses of an utterance.
        lead: what stands between this utterance and the one before.
        times: words have times.
        confidence: words have confidences.
    """
    best, *others = found
    words = [_word(word, times, confidence) for word in best.words] if times or confidence else []
    message = SpeechRecognitionAlternative(transcript=lead + best.text, confidence=best.confidence, words=words)
    return [message, *(SpeechRecognitionAlternative(transcript=lead + other.text) for other in others)]


def _word(word: Word, times: bool, confidence: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {"word": word.text}
    if times:
        fields |= {"start_time": duration(word.start), "end_time": duration(word.end)}
    if confidence:
        fields["confidence"] = word.confidence
    return fields
