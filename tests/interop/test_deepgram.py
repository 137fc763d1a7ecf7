"""Deepgram's own clients against a real server."""

import hashlib
import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from support.server import Server
from support.words import much_alike
from wavelane_client import Final, connect_sync

Run = Callable[..., list[dict[str, Any]]]
Words = Callable[..., list[str]]
EGYPT, LEMON = "libri_egypt.opus", "libri_lemon.opus"
LINEAR16 = {"encoding": "linear16", "sample_rate": 16_000}
DIALOGUES = Path(__file__).parents[1] / "data" / "dialogues"


@pytest.fixture
def listen(interop_server: Server, key: str, run_client: Run) -> Run:
    """What the SDK's user sees: kind of client, version, file, options, steps."""

    def run(kind: str, version: str, file: Path, options: dict[str, Any], *steps: object, key: str = key) -> Any:
        arguments = (kind, version, interop_server.ws, key, file, json.dumps(options), json.dumps(steps))
        return run_client("deepgram_listen.py", *arguments)

    return run


def of(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [message for message in messages if message.get("type") == kind]


def transcript(result: dict[str, Any]) -> str:
    return str(result["channel"]["alternatives"][0]["transcript"])


def spoken(results: list[dict[str, Any]], channel: int = 0) -> list[str]:
    """Words of the final results of a channel."""
    of_channel = (result for result in results if result["is_final"] and result["channel_index"][0] == channel)
    return [word["word"] for result in of_channel for word in result["channel"]["alternatives"][0]["words"]]


def bare(text: str) -> list[str]:
    """Words without what punctuation and capitals have done to them."""
    return [word.strip(".,?!").lower() for word in text.split()]


def test_a_file_has_the_words_of_the_native_protocol(
    listen: Run, native_words: Words, speech_path: Callable[[str], Path]
) -> None:
    file = speech_path(EGYPT)
    messages = listen("sync", "v1", file, {"model": "nova-3"}, "audio", "close_stream")
    assert [message["class"] for message in messages] == ["ListenV1Results", "ListenV1Metadata"]
    result, metadata = messages
    assert transcript(result).split() == spoken([result]) == native_words(EGYPT)
    assert (result["is_final"], result["speech_final"], result["from_finalize"]) == (True, True, False)
    words = result["channel"]["alternatives"][0]["words"]
    times = [time for word in words for time in (word["start"], word["end"])]
    assert (
        0 < times[0] < times[-1] <= result["start"] + result["duration"] <= metadata["duration"] == pytest.approx(3.6)
    )
    assert all(a <= b for a, b in itertools.pairwise(times))
    assert all(0 < word["confidence"] < 1 for word in words)
    assert metadata["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert metadata["request_id"] == result["metadata"]["request_id"]


def test_events_come_in_their_order(listen: Run, linear16: Callable[..., Path], native_words: Words) -> None:
    file = linear16(EGYPT)
    options = {
        **LINEAR16,
        "model": "nova-3",
        "language": "en-US",
        "interim_results": "true",
        "vad_events": "true",
        "utterance_end_ms": 1000,
        "smart_format": "true",
    }
    steps = ("audio", 2, "keep_alive", "finalize", "audio", "finalize", {"keyterms": ["lemon"]}, "close_stream")
    messages = listen("async", "v1", file, options, *steps)
    results = of(messages, "Results")
    finals = [message for message in results if message["is_final"]]
    assert [(final["speech_final"], final["from_finalize"], bool(transcript(final))) for final in finals] == [
        (True, False, True),
        (True, True, False),
        (True, True, True),
    ]
    first = finals[0]
    assert bare(transcript(first)) == spoken([first])
    assert much_alike(spoken([first]), native_words(EGYPT))
    assert transcript(first)[0].isupper()
    assert first["channel"]["alternatives"][0]["words"][0]["punctuated_word"] == transcript(first).split()[0]
    # A result begins where the one before ended, and the words of interim ones grow into the final one's.
    assert finals[1]["start"] == pytest.approx(first["start"] + first["duration"], abs=1e-3)
    interim = [message for message in results[: results.index(first)] if not message["is_final"]]
    assert len(interim) > 2
    early = bare(transcript(interim[0]))
    assert early[:-1] == spoken([first])[: len(early) - 1]
    (ended, *_) = of(messages, "UtteranceEnd")
    assert ended["last_word_end"] == first["channel"]["alternatives"][0]["words"][-1]["end"]
    assert messages.index(first) < messages.index(ended) < messages.index(finals[1])
    started = of(messages, "SpeechStarted")
    assert len(started) == 2
    assert 0 < started[0]["timestamp"] < 1 < 5 < started[1]["timestamp"]
    assert of(messages, "ConfigureSuccess")[0]["keyterms"] == ["lemon"]
    assert messages[-1]["type"] == "Metadata"


def test_an_utterance_ends_where_noise_hides_the_silence(
    listen: Run, linear16: Callable[..., Path], tmp_path: Path
) -> None:
    speech = np.frombuffer(linear16(EGYPT).read_bytes(), "<i2").astype(np.float64)
    time = np.arange(len(speech) + 5 * 16_000) / 16_000
    hum = sum(np.sin(2 * np.pi * 140 * k * time + k) / k for k in range(1, 6)) * (1 + 0.5 * np.sin(8 * np.pi * time))
    noisy = np.pad(speech, (0, 5 * 16_000)) + 900 * hum
    file = tmp_path / "noisy"
    file.write_bytes(noisy.clip(-32_768, 32_767).astype("<i2").tobytes())
    options = {**LINEAR16, "model": "nova-3", "utterance_end_ms": 1000}
    messages = listen("sync", "v1", file, options, "audio", "close_stream")
    assert [message["type"] for message in messages] == ["Results", "UtteranceEnd", "Results", "Metadata"]
    said, ended, rest, _ = messages
    assert (said["is_final"], said["speech_final"], bool(transcript(said))) == (True, False, True)
    assert ended["last_word_end"] == said["channel"]["alternatives"][0]["words"][-1]["end"]
    assert transcript(rest) == ""


def test_channels_are_heard_on_their_own(listen: Run, linear16: Callable[..., Path], native_words: Words) -> None:
    file = linear16(EGYPT, LEMON)
    options = {**LINEAR16, "model": "nova-2", "channels": 2, "multichannel": "true"}
    messages = listen("sync", "v1", file, options, "audio", "close_stream")
    results = of(messages, "Results")
    assert {tuple(result["channel_index"]) for result in results} == {(0, 2), (1, 2)}
    for channel, name in enumerate((EGYPT, LEMON)):
        assert spoken(results, channel) == native_words(linear16(name), **LINEAR16)
    assert messages[-1]["channels"] == 2


def test_turns(listen: Run, linear16: Callable[..., Path], native_words: Words) -> None:
    file = linear16(EGYPT)
    options = {**LINEAR16, "model": "flux-general-en", "eager_eot_threshold": 0.3}
    patient = {"type": "Configure", "thresholds": {"eot_threshold": 0.95, "eot_timeout_ms": 60_000}}
    messages = listen(
        "sync", "v2", file, options, "audio", 2, patient, "audio", 1, "force_end_turn", "audio", "close_stream"
    )
    assert [message["sequence_id"] for message in messages] == [*range(len(messages))]
    assert messages[0]["class"] == "ListenV2Connected"
    assert of(messages, "ConfigureSuccess")[0]["thresholds"]["eot_timeout_ms"] == 60_000
    turns = of(messages, "TurnInfo")
    ends = [turn for turn in turns if turn["event"] == "EndOfTurn"]
    assert [(end["turn_index"], end["trigger"]) for end in ends] == [(0, "model"), (1, "manual"), (2, "manual")]
    assert bare(ends[0]["transcript"]) == [word["word"].strip(".").lower() for word in ends[0]["words"]]
    assert bare(ends[0]["transcript"]) == native_words(file, **LINEAR16)
    assert ends[0]["end_of_turn_confidence"] >= 0.7
    for index, end in enumerate(ends):
        events = [turn["event"] for turn in turns if turn["turn_index"] == index and turn["event"] != "Update"]
        assert (events[0], events[-1]) == ("StartOfTurn", "EndOfTurn")
        assert events.count("EagerEndOfTurn") - events.count("TurnResumed") in (0, 1)
        before = turns[turns.index(end) - 1]
        assert before["event"] != "EagerEndOfTurn" or before["transcript"] == end["transcript"]
    assert any(turn["event"] == "EagerEndOfTurn" for turn in turns if turn["turn_index"] == 0)


def test_a_stream_of_turns_may_end_at_any_time(listen: Run, speech_path: Callable[[str], Path]) -> None:
    messages = listen("async", "v2", speech_path(LEMON), {"model": "flux-general-en"}, "audio", "close_stream")
    assert {message["type"] for message in messages} == {"Connected", "TurnInfo"}
    assert messages[-1]["event"] == "EndOfTurn"


@pytest.mark.parametrize(
    ("version", "options", "key", "status", "code", "why"),
    [
        ("v1", {"model": "nova-3"}, "wrong", 401, "INVALID_AUTH", "does not know the API key"),
        (
            "v2",
            {"model": "flux-general-en", "eot_threshold": 7},
            None,
            400,
            "Bad Request",
            "eot_threshold: a number from",
        ),
    ],
)
def test_refused(
    listen: Run,
    speech_path: Callable[[str], Path],
    key: str,
    version: str,
    options: Any,
    status: int,
    code: str,
    why: str,
) -> None:
    (refused,) = listen("sync", version, speech_path(EGYPT), options, "close_stream", key=key or "k3y-of-a-friend")
    assert (refused["class"], refused["status"], refused["body"]["err_code"]) == ("refused", status, code)
    assert why in refused["body"]["err_msg"] == refused["headers"]["dg-error"]
    assert refused["body"]["request_id"] == refused["headers"]["dg-request-id"]


def test_a_browser_offers_its_key_as_a_subprotocol(interop_server: Server, key: str) -> None:
    offered = [Subprotocol("token"), Subprotocol(key)]
    with connect(f"{interop_server.ws}/v1/listen", subprotocols=offered, proxy=None) as socket:
        assert socket.subprotocol == "token"
        socket.send('{"type":"CloseStream"}')
        assert json.loads(socket.recv())["type"] == "Metadata"


def test_what_the_model_does_not_know_is_refused_at_the_handshake(interop_server: Server, key: str) -> None:
    for query, why in (("language=tlh", "language: "), ("model=other-model", "model: this server serves")):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{interop_server.ws}/v1/listen?{query}", additional_headers={"Authorization": f"Bearer {key}"})
        assert refused.value.response.status_code == 400
        assert why in refused.value.response.headers["dg-error"]


def test_a_recording_at_once(
    interop_server: Server, key: str, run_client: Run, native_words: Words, speech_path: Callable[[str], Path]
) -> None:
    options = {"model": "nova-3", "punctuate": True, "utterances": True}
    (answer,) = run_client("deepgram_recorded.py", interop_server.http, key, speech_path(EGYPT), json.dumps(options))
    assert answer["class"] == "ListenV1Response"
    (best,) = answer["results"]["channels"][0]["alternatives"]
    assert [word["word"] for word in best["words"]] == bare(best["transcript"]) == native_words(EGYPT)
    assert [utterance["transcript"] for utterance in answer["results"]["utterances"]] == [best["transcript"]]
    assert answer["metadata"]["duration"] == pytest.approx(3.6)


def test_no_audio_at_all(listen: Run, tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(random.Random(7).randbytes(20_000))
    messages = listen("async", "v1", noise, {"model": "nova-3"}, "audio", "close_stream")
    closed = messages[-1]
    assert (closed["class"], closed["code"]) == ("closed", 1008)
    assert closed["reason"].startswith("DATA-0000: ")


@pytest.mark.parametrize("path", ["/v1/listen?encoding=linear16&sample_rate=16000", "/v2/listen?model=flux-general-en"])
def test_garbage_harms_nobody_else(
    interop_server: Server, key: str, linear16: Callable[..., Path], native_words: Words, path: str
) -> None:
    file = linear16(EGYPT)
    audio = file.read_bytes()
    chance = random.Random(3)
    texts = [
        json.dumps(line["client"])
        for name in ("live", "turns")
        for line in map(json.loads, (DIALOGUES / f"deepgram_{name}.jsonl").read_text().splitlines())
        if "client" in line
    ]
    with connect_sync(interop_server.ws, api_key=key, **LINEAR16) as neighbour:
        neighbour.send(audio[: len(audio) // 4 * 2])
        for _ in range(8):
            headers = {"Authorization": f"Token {key}"}
            with connect(interop_server.ws + path, additional_headers=headers, proxy=None) as socket:
                try:
                    for _ in range(10):
                        text = chance.choice(texts)
                        at = chance.randrange(len(text))
                        broken = text[:at] + chance.choice(["", '"', "{", "\u0000", "9" * 400]) + text[at + 1 :]
                        socket.send(chance.choice([text, broken, chance.randbytes(chance.randrange(1, 500))]))
                    socket.send('{"type":"CloseStream"}')
                    for message in socket:
                        assert json.loads(message)["type"]
                except ConnectionClosed:
                    pass
                assert socket.close_code in (1000, 1008)
        neighbour.send(audio[len(audio) // 4 * 2 :])
        neighbour.end()
        heard = [word for event in neighbour if isinstance(event, Final) for word in event.text.split()]
    assert heard == native_words(file, **LINEAR16)


@pytest.mark.frameworks
@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_livekit(
    interop_server: Server,
    key: str,
    run_client: Run,
    frameworks_python: str,
    linear16: Callable[..., Path],
    native_words: Words,
    kind: str,
) -> None:
    file = linear16(EGYPT)
    events = run_client("livekit_stt.py", f"deepgram_{kind}", interop_server.http, key, file, python=frameworks_python)
    kinds = [event["event"] for event in events if event["event"] != "recognition_usage"]
    assert (kinds[0], kinds[-1]) == ("start_of_speech", "end_of_speech")
    assert kinds.count("interim_transcript") > 2
    (final,) = (event["text"] for event in events if event["event"] == "final_transcript")
    assert bare(final) == native_words(file, **LINEAR16)


@pytest.mark.frameworks
def test_livekit_with_a_recording(
    interop_server: Server,
    key: str,
    run_client: Run,
    frameworks_python: str,
    linear16: Callable[..., Path],
    native_words: Words,
) -> None:
    file = linear16(EGYPT)
    arguments = ("livekit_stt.py", "deepgram_recorded", interop_server.http, key, file)
    (event,) = run_client(*arguments, python=frameworks_python)
    assert (event["event"], bare(event["text"])) == ("final_transcript", native_words(file, **LINEAR16))


@pytest.mark.frameworks
@pytest.mark.parametrize("kind", ["v1", "v2"])
def test_pipecat(
    interop_server: Server,
    key: str,
    run_client: Run,
    frameworks_python: str,
    linear16: Callable[..., Path],
    native_words: Words,
    tmp_path: Path,
    kind: str,
) -> None:
    file = tmp_path / "speech"
    file.write_bytes(linear16(EGYPT).read_bytes() + bytes(64_000))
    frames = run_client("pipecat_stt.py", f"deepgram_{kind}", interop_server.http, key, file, python=frameworks_python)
    assert [frame["frame"] for frame in frames].count("InterimTranscriptionFrame") > 2
    (final,) = (frame["text"] for frame in frames if frame["frame"] == "TranscriptionFrame")
    assert bare(final) == native_words(file, **LINEAR16)


@pytest.mark.node
@pytest.mark.parametrize(
    ("version", "model", "last"), [("v1", "nova-3", "Metadata"), ("v2", "flux-general-en", "TurnInfo")]
)
def test_node(
    interop_server: Server,
    key: str,
    run_client: Run,
    linear16: Callable[..., Path],
    native_words: Words,
    version: str,
    model: str,
    last: str,
) -> None:
    file = linear16(EGYPT)
    options, steps = {**LINEAR16, "model": model}, [["sendCloseStream", {"type": "CloseStream"}]]
    arguments = (version, interop_server.ws, key, file, json.dumps(options), json.dumps(steps))
    *messages, ultimate, closed = run_client("deepgram_listen.mjs", *arguments)
    assert (ultimate["type"], closed) == (last, {"type": "closed", "code": 1000, "reason": ""})
    text = ultimate["transcript"] if version == "v2" else transcript(of(messages, "Results")[-1])
    assert bare(text) == native_words(file, **LINEAR16)


@pytest.mark.node
def test_node_is_refused(interop_server: Server, run_client: Run, speech_path: Callable[[str], Path]) -> None:
    arguments = ("v1", interop_server.ws, "wrong", speech_path(EGYPT), '{"model": "nova-3"}', "[]")
    said = run_client("deepgram_listen.mjs", *arguments)
    assert {"type": "error", "message": "Unexpected server response: 401"} in said
