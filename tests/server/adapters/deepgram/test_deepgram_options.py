"""What the parameters of Deepgram's streams come to, and who may send them."""

import importlib
import inspect
import json
import warnings
from typing import Any
from urllib.parse import parse_qsl

import pytest

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Failed
from wavelane.session.options import parse_options
from wavelane_server.adapters.base import Configured
from wavelane_server.adapters.deepgram import LISTEN_V1
from wavelane_server.adapters.deepgram.options import LIVE, live_options, recorded_options
from wavelane_server.adapters.deepgram.query import Query, Use
from wavelane_server.adapters.deepgram.request import Request, rejection
from wavelane_server.adapters.deepgram.turn_options import TURNS, Thresholds, turn_options
from wavelane_server.adapters.deepgram.turns import MOST_PENDING, ListenV2
from wavelane_server.adapters.handshake import Handshake

RAW = "model=nova-3&encoding=linear16&sample_rate=16000&"


def live(query: str) -> Any:
    options = live_options(parse_qsl(query))
    parse_options(options.values)
    return options


def turns(query: str) -> Any:
    options = turn_options(parse_qsl(query))
    parse_options(options.values())
    return options


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("model=nova-3-medical", {"encoding": "container", "partials": False, "channel": "mix"}),
        ("model=wavelane-en-small", {"model": "wavelane-en-small"}),
        ("encoding=linear32&sample_rate=48000&channels=2", {"encoding": "float32", "sample_rate": 48_000}),
        ("encoding=alaw&sample_rate=8000&multichannel=true&channels=2", {"channel": "separate", "channels": 2}),
        ("encoding=ogg-opus&sample_rate=48000", {"encoding": "container"}),
        ("endpointing=10", {"endpoint": {"silence_ms": 300}}),
        ("endpointing=1000", {"endpoint": {"silence_ms": 1000}}),
        ("endpointing=3000&utterance_end_ms=1500", {"endpoint": {"silence_ms": 1500}}),
        ("endpointing=false", {"endpoint": {}}),
        ("language=multi", {"language": "auto"}),
        ("alternatives=3", {"alternatives": 3, "decoding": {"method": "beam"}}),
        (
            "keyterm=New+York&keyterm=nile&keywords=egypt&keywords=a:b:1.5",
            {
                "hotwords": [
                    {"phrase": "New York"},
                    {"phrase": "nile"},
                    {"phrase": "egypt"},
                    {"phrase": "a:b", "boost": 1.5},
                ]
            },
        ),
    ],
)
def test_a_stream(query: str, values: dict[str, Any]) -> None:
    found = live(query).values
    assert {name: found[name] for name in values} == values


def test_text() -> None:
    text = live("smart_format=true&filler_words=false&profanity_filter=true&replace=nile:Nile&replace=uh").values[
        "text"
    ]
    assert text == {
        "itn": True,
        "punctuation": True,
        "capitals": True,
        "profanity": "mask",
        "replace": {"nile": "Nile", "uh": ""},
        "verbatim": False,
    }
    assert not live("numerals=true").values["text"]["punctuation"]
    assert live("punctuate=True").values["text"]["capitals"]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("colour=red", "unknown query parameter colour"),
        ("diarize=true", "diarize: this server does not have it"),
        ("redact=pci", "redact: this server does not have it"),
        ("callback=http://here", "callback: this server does not have it"),
        ("utterances=true", "utterances: this server does not have it"),
        ("encoding=amr-nb&sample_rate=8000", "encoding: one of linear16,"),
        ("encoding=linear16", "sample_rate: required with encoding=linear16"),
        ("encoding=linear16&sample_rate=fast", "sample_rate: a number from 8000 to 96000, not 'fast'"),
        ("encoding=linear16&sample_rate=16000.5", "sample_rate: a whole number"),
        ("encoding=linear16&sample_rate=nan", "sample_rate: a number from 8000 to 96000"),
        ("punctuate=yes", "punctuate: true or false, not 'yes'"),
        ("model=a&model=b", "model: given 2 times"),
        ("utterance_end_ms=10", "utterance_end_ms: a number from 300"),
        ("keywords=egypt:-5", "keywords: the intensifier in 'egypt:-5'"),
    ],
)
def test_refused(query: str, why: str) -> None:
    with pytest.raises(WavelaneError, match=why) as refused:
        live(query)
    assert refused.value.code is ErrorCode.INVALID_CONFIG


def test_what_is_false_is_not_missed() -> None:
    live("diarize=false&detect_entities=False&dictation=false&redact=false&mip_opt_out=true&tag=a&tag=b&version=latest")


def test_a_recording() -> None:
    options = recorded_options(parse_qsl("model=nova-3&utterances=true&utt_split=1.2"))
    assert options.utterances
    assert options.values["endpoint"] == {"silence_ms": 1200}


@pytest.mark.parametrize(
    ("eot", "timeout", "silence", "trigger"),
    [
        (0.7, 5_000, 600, "model"),
        (0.5, 5_000, 345, "model"),
        (0.9, 800, 800, "timeout"),
        (1.0, 60_000, 60_000, "timeout"),
    ],
)
def test_the_end_of_a_turn(eot: float, timeout: int, silence: int, trigger: str) -> None:
    thresholds = Thresholds(eot_threshold=eot, eot_timeout_ms=timeout)
    assert (thresholds.silence_ms, thresholds.trigger) == (silence, trigger)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("encoding=linear16&sample_rate=16000", "model: required"),
        ("model=flux-general-en&language_hint=de", "language_hint: only with model=flux-general-multi"),
        ("model=flux-general-en&eot_threshold=0.2", "eot_threshold: a number from 0.5 to 1"),
        ("model=flux-general-en&eot_timeout_ms=700.5", "eot_timeout_ms: a whole number"),
        ("model=flux-general-en&interim_results=true", "unknown query parameter interim_results"),
        ("model=flux-general-en&redact=numbers", "redact: this server does not have it"),
    ],
)
def test_refused_turns(query: str, why: str) -> None:
    with pytest.raises(WavelaneError, match=why):
        turns(query)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"thresholds": {"eot": 1}}, "thresholds has any of"),
        ({"thresholds": {"eot_threshold": True}}, "eot_threshold: a number"),
        ({"thresholds": {"eot_timeout_ms": 700.5}}, "eot_timeout_ms: a number"),
        ({"keyterms": [1]}, "keyterms: a list of texts"),
        ({"numerals": "true"}, "numerals: true or false"),
        ({"language_hints": ["de"]}, "language_hints: only with"),
        ({"eagerness": 1}, "Configure has no field eagerness"),
    ],
)
def test_refused_changes_of_turns(message: dict[str, Any], why: str) -> None:
    options = turns("model=flux-general-en")
    with pytest.raises(WavelaneError, match=why):
        options.configured(message)


def test_hints_of_languages() -> None:
    one = turns("model=flux-general-multi&language_hint=de")
    assert one.values()["language"] == "de"
    assert one.configured({"language_hints": []}).reconfiguration(one) == {"language": None}


@pytest.mark.parametrize(("version", "table"), [("v1", LIVE), ("v2", TURNS)])
def test_every_parameter_of_the_vendors_client_is_in_the_table(version: str, table: dict[str, Use]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports what newer websockets deprecate
        client = importlib.import_module(f"deepgram.listen.{version}.client")
    connect = inspect.signature(getattr(client, f"{version.upper()}Client").connect)
    assert set(connect.parameters) - {"self", "authorization", "request_options"} <= set(table)


def test_a_parameter_is_read_or_named_as_one_that_is_not() -> None:
    """A parameter with effect that nothing reads would be silently ignored."""

    class Watched(Query):
        def __init__(self, table: Any) -> None:
            super().__init__([], table)
            self.read: set[str] = set()

        def texts(self, name: str) -> list[str]:
            self.read.add(name)
            return super().texts(name)

    for module, table, parse in (("options", LIVE, live_options), ("turn_options", TURNS, turn_options)):
        watched = Watched(table)
        watched._values = {"model": ["flux-general-en"], "encoding": ["linear16"], "sample_rate": ["16000"]}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"wavelane_server.adapters.deepgram.{module}.Query", lambda *_, watched=watched: watched)
            parse([])
        assert watched.read == {name for name, use in table.items() if use is Use.EFFECT}


@pytest.mark.parametrize(
    ("handshake", "key"),
    [
        (Handshake(headers={"authorization": "Token  k3y"}), "k3y"),
        (Handshake(headers={"authorization": "bearer k3y"}), "k3y"),
        (Handshake(headers={"authorization": "Basic k3y"}), None),
        (Handshake(headers={}, subprotocols=("token", "k3y")), "k3y"),
        (Handshake(headers={}, subprotocols=("bearer", "k3y")), "k3y"),
        (Handshake(headers={}, subprotocols=("token",)), None),
        (Handshake(headers={}), None),
    ],
)
def test_keys(handshake: Handshake, key: str | None) -> None:
    assert LISTEN_V1.key(handshake) == key
    chosen = LISTEN_V1.subprotocol(handshake)
    assert chosen == (handshake.subprotocols[0] if handshake.subprotocols else None)


def test_changes_that_wait_for_their_answer_are_few() -> None:
    adapter = ListenV2(Handshake(headers={}, query=(("model", "flux-general-en"),)), Request())
    change = '{"type": "Configure", "numerals": true}'
    for _ in range(MOST_PENDING):
        adapter.receive(change)
    with pytest.raises(WavelaneError, match="16 changes before this one are not answered") as refused:
        adapter.receive(change)
    told = [Configured(config=parse_options({}))] * MOST_PENDING
    told += [Failed(code=refused.value.code, message=refused.value.message, fatal=False)]
    kinds = [json.loads(message)["type"] for event in told for message in adapter.send(event)]
    assert kinds == ["ConfigureSuccess"] * MOST_PENDING + ["ConfigureFailure"]
    assert adapter.receive(change)


def test_refusals_have_the_vendors_shape() -> None:
    refusal = LISTEN_V1.refuse(WavelaneError(ErrorCode.OVERLOADED, "füll\nup →"), 7)
    assert (refusal.status, refusal.body["err_code"], refusal.body["err_msg"]) == (
        429,
        "TOO_MANY_REQUESTS",
        "füll\nup →",
    )
    assert refusal.headers["dg-request-id"] == refusal.body["request_id"]
    assert (refusal.headers["dg-error"], refusal.headers["Retry-After"]) == ("füll up ?", "7")
    assert json.dumps(refusal.body)


@pytest.mark.parametrize(
    ("code", "close", "reason"),
    [
        (ErrorCode.IDLE_TIMEOUT, 1011, "NET-0001: why"),
        (ErrorCode.INVALID_AUDIO, 1008, "DATA-0000: why"),
        (ErrorCode.SLOW_CLIENT, 1011, "NET-0000: why"),
        (ErrorCode.INVALID_CONFIG, 1008, "why"),
        (ErrorCode.SHUTTING_DOWN, 1012, "why"),
    ],
)
def test_an_error_closes_as_the_vendor_does(code: ErrorCode, close: int, reason: str) -> None:
    found = rejection(WavelaneError(code, "why"))
    assert (found.close_code, found.reason) == (close, reason)
