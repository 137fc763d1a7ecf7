import dataclasses
import functools

import pytest

from support.toy import SPEC
from wavelane.errors import LONGEST_MESSAGE, ErrorCode, WavelaneError
from wavelane.session.effective import effective_options
from wavelane.session.options import SessionOptions, fusion_request, parse_options, reconfigure
from wavelane.session.session import Session
from wavelane.work import FusionRequest


def refusal(values: object) -> str:
    with pytest.raises(WavelaneError) as caught:
        Session(parse_options(values), SPEC)
    assert caught.value.code is ErrorCode.INVALID_CONFIG
    return caught.value.message


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"sample_rte": 8000}, "sample_rte: unknown option"),
        ({"vad": {"kind": "webrtc", "speed": 1}}, "vad.speed: unknown option"),
        ({"sample_rate": 7_999}, "sample_rate: Input should be greater than or equal to 8000 (got 7999)"),
        ({"sample_rate": 96_001}, "sample_rate: Input should be less than or equal to 96000 (got 96001)"),
        ({"sample_rate": "fast"}, "sample_rate: Input should be a valid integer"),
        ({"encoding": "mp5"}, "encoding: Input should be 'linear16', 'float32', 'mulaw', 'alaw' or 'container'"),
        ({"lookahead": "soon"}, "lookahead: Input should be a valid integer"),
        ({"lookahead": "soon"}, ", or Input should be 'auto' (got 'soon')"),
        ({"lookahead": 5}, "lookahead: toy was trained for 13, 6, 1, 0, not 5"),
        ({"language": "tlh"}, "language: toy knows en, not 'tlh'"),
        ({"model": "other"}, "model: this server serves 'toy', not 'other'"),
        ({"alternatives": 3}, "alternatives: the greedy decoder has one hypothesis; ask for 1"),
        ({"channels": 2, "channel": 2}, "channel: there is no channel 2 in 2; they count from 0"),
        ({"lm": "medical"}, "lm: this server has no language model 'medical'; it has none (setting lm.paths), or off"),
        ({"lm_weight": 0.5}, "lm_weight: there is no language model to weigh; choose one with lm"),
        ({"lm": "off", "lm_weight": 0}, "lm_weight: Input should be greater than 0"),
        ({"hotwords": ["one", "ñ"]}, "hotwords: 'ñ' cannot be spelled with the model's pieces (no piece has 'ñ')"),
        ({"hotwords": [{"phrase": "one", "boos": 3}]}, "hotwords.0.boos: unknown option"),
        ({"hotwords": "one"}, "hotwords: Input should be a valid"),
        ({"hotwords": ["one"] * 5_001}, "hotwords: 5001 phrases are more than this server's limit of 5000"),
        (["linear16"], "the configuration must be a JSON object"),
    ],
)
def test_what_cannot_take_effect_is_refused_in_words(values: object, says: str) -> None:
    assert says in refusal(values)


def test_all_faults_are_told_at_once() -> None:
    message = refusal({"encodin": "linear16", "channels": 0})
    assert "encodin: unknown option" in message
    assert "channels: " in message


def test_what_a_client_leaves_out_comes_from_the_server() -> None:
    base = SessionOptions.model_validate({"vad": {"kind": "off"}, "lookahead": 1})
    options = parse_options({"vad": {"pre_roll_ms": 100}}, base)
    assert (options.vad.kind, options.vad.pre_roll_ms, options.lookahead) == ("off", 100, 1)


def test_effective_options_have_no_gaps() -> None:
    session = Session(SessionOptions(), SPEC)
    assert (session.options.model, session.options.lookahead) == ("toy", 6)


def test_some_options_change_midstream_and_the_others_say_so() -> None:
    options = Session(SessionOptions(), SPEC).options
    assert reconfigure(options, {"endpoint": {"silence_ms": 200}, "lookahead": 0}).endpoint.silence_ms == 200
    with pytest.raises(WavelaneError, match="sample_rate, vad cannot change while a session runs"):
        reconfigure(options, {"sample_rate": 8000, "vad": {"mode": 3}})


def test_what_a_search_adds_follows_from_the_options() -> None:
    spec = dataclasses.replace(SPEC, max_beam=1, language_models=("general", "coffee"), default_lm="general")
    session = Session(parse_options({}), spec)
    assert session.options.lm == "general"
    assert fusion_request(session.options, spec) == FusionRequest(lm="general")
    options = session.receive_options(
        {"lm": "coffee", "lm_weight": 0.5, "hotwords": ["one", {"phrase": "two", "boost": 5}]}
    )
    request = FusionRequest(lm="coffee", lm_weight=0.5, hotwords=(("one", 1.0), ("two", 5.0)))
    assert fusion_request(options, spec) == request
    options = session.receive_options({"lm": "off"})
    assert options.lm_weight is None
    assert fusion_request(options, spec) == FusionRequest(hotwords=request.hotwords)
    options = session.receive_options({"hotwords": []})
    assert fusion_request(options, spec) is None
    assert fusion_request(options, dataclasses.replace(spec, boosted=3)) == FusionRequest()
    with pytest.raises(WavelaneError, match="it has general, coffee, or off"):
        session.receive_options({"lm": "medical"})
    assert session.options == options


def test_who_asks_for_greedy_search_does_not_get_the_servers_beam() -> None:
    base = parse_options({"decoding": {"method": "beam", "beam": 4}, "alternatives": 3})
    assert parse_options({}, base).decoding.beam == 4
    options = parse_options({"decoding": {"method": "greedy"}}, base)
    assert (options.decoding.beam, options.alternatives) == (None, 1)
    with pytest.raises(WavelaneError, match="set method to beam"):
        parse_options({"decoding": {"method": "greedy", "beam": 4}}, base)


@pytest.mark.parametrize(
    ("max_beam", "values", "said"),
    [
        (0, {"decoding": {"method": "beam"}}, "no beam search .it cannot with toy.; choose greedy"),
        (1, {"decoding": {"method": "beam"}}, "engine.max_beam is 1"),
        (4, {"decoding": {"method": "beam", "beam": 5}}, "5 is more than this server's limit of 4"),
        (4, {"decoding": {"method": "beam"}, "alternatives": 5}, "more than the 4 hypotheses"),
        (4, {"alternatives": 2}, "set decoding.method to beam"),
        (0, {"hotwords": ["one"]}, "takes neither with this model"),
    ],
)
def test_a_search_that_cannot_be_is_refused(max_beam: int, values: dict[str, object], said: str) -> None:
    with pytest.raises(WavelaneError, match=said) as error:
        Session(parse_options(values), dataclasses.replace(SPEC, max_beam=max_beam))
    assert error.value.code is ErrorCode.INVALID_CONFIG


def test_a_beam_that_is_not_given_is_as_wide_as_the_server_allows_but_no_wider_than_usual() -> None:
    for most, wanted in ((4, 4), (64, 8)):
        session = Session(parse_options({"decoding": {"method": "beam"}}), dataclasses.replace(SPEC, max_beam=most))
        assert session.options.decoding.beam == wanted


@pytest.mark.parametrize(
    ("asked", "known", "language"),
    [
        ("en-US", ("en", "de"), "en"),
        ("DE", ("en", "de"), "de"),
        ("en", ("de-DE", "en-US", "en-GB"), "en-US"),
        ("en-gb", ("en-US", "en-GB", "en"), "en-GB"),
        ("en-AU", ("en-US", "en-GB"), None),
        ("fr", ("en",), None),
    ],
)
def test_a_language_is_found_under_the_name_that_the_model_has_for_it(
    asked: str, known: tuple[str, ...], language: str | None
) -> None:
    spec = dataclasses.replace(SPEC, languages=known)
    options = parse_options({"language": asked})
    if language is None:
        with pytest.raises(WavelaneError, match=f"knows {', '.join(known)}, not '{asked}'"):
            effective_options(options, spec, max_hotwords=1)
    else:
        assert effective_options(options, spec, max_hotwords=1).language == language


@pytest.mark.parametrize(
    "values",
    [
        {"hotwords": [1] * 100_000},
        {"hotwords": ["a" * 1_000_000]},
        {"hotwords": [{str(index): 0 for index in range(1_000)}]},
        {"model": ["a"] * 100_000},
        {"model": functools.reduce(lambda inner, _: [inner], range(2_000), [])},
        {"text": {"replace": {str(index): 0 for index in range(1_000)}}},
        {str(index): 0 for index in range(100_000)},
    ],
    ids=("faults", "long", "members", "list", "deep", "pairs", "options"),
)
def test_the_error_for_a_huge_message_is_a_sentence(values: dict[str, object]) -> None:
    with pytest.raises(WavelaneError) as error:
        parse_options(values)
    assert error.value.code is ErrorCode.INVALID_CONFIG
    assert len(error.value.message) <= LONGEST_MESSAGE + 1
