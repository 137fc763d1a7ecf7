"""What a session's options come to with a model: every default resolved, and refused what cannot take effect."""

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.grammar import Grammar, GrammarLibrary
from wavelane.grammar.pieces import spell_automaton
from wavelane.lm.spelling import speller
from wavelane.session.options import DEFAULT_BEAM, NO_LM, DecodingOptions, SessionOptions, fusion_request
from wavelane.spec import ModelSpec
from wavelane.text.formatter import LANGUAGE

MOST_SOUNDS = 10_000
"""Of a grammar whose nearest sentence is looked for in the turn of a final, which others wait for."""


def effective_options(options: SessionOptions, spec: ModelSpec, max_hotwords: int) -> SessionOptions:
    """Resolve every None and refuse what cannot take effect with the model.

    Raises:
        WavelaneError: INVALID_CONFIG, naming the option, what it may be, and the setting that limits it.
    """

    def refuse(message: str) -> WavelaneError:
        return WavelaneError(ErrorCode.INVALID_CONFIG, message)

    if options.model is not None and options.model != spec.name:
        raise refuse(f"model: this server serves {spec.name!r}, not {options.model!r}")
    lookaheads = _lookaheads(options, spec)
    for name, lookahead in lookaheads.items():
        if lookahead not in (*spec.lookaheads, "auto", None):
            choices = ", ".join(map(str, spec.lookaheads))
            raise refuse(f"{name}: {spec.name} was trained for {choices}, not {lookahead}")
    language = _language(options, spec)
    decoding = _decoding(options, spec)
    if options.alternatives > (decoding.beam or 1):
        raise refuse(
            f"alternatives: {options.alternatives} are more than the {decoding.beam} hypotheses of the search; set "
            "decoding.beam to at least as many, or ask for less"
            if decoding.beam
            else "alternatives: the greedy decoder has one hypothesis; ask for 1, or set decoding.method to beam"
        )
    if isinstance(options.channel, int) and options.encoding != "container" and options.channel >= options.channels:
        raise refuse(f"channel: there is no channel {options.channel} in {options.channels}; they count from 0")
    if options.encoding == "container" and options.channel == "separate" and options.channels == 1:
        raise refuse("channels: say how many channels of the container to recognise separately")
    _check_text(options, spec)
    lm = _language_model(options, spec)
    _check_hotwords(options, spec, max_hotwords)
    resolved = {"model": spec.name, "language": language, "lm": lm, "decoding": decoding, **lookaheads}
    effective = options.model_copy(update=resolved)
    if spec.max_beam == 0 and fusion_request(effective, spec) is not None:
        raise refuse("hotwords and lm: this server's search takes neither with this model; leave them out")
    if (bounds := effective.lookahead_bounds) is not None and bounds[0] > bounds[1]:
        raise refuse(f"lookahead_min: {bounds[0]} is more than lookahead_max, {bounds[1]}")
    return effective


def _language(options: SessionOptions, spec: ModelSpec) -> str | None:
    """The language as the model calls it: ``en-US`` is its ``en``, and ``en`` the first of its kinds of English."""
    language = options.language
    known = tuple(spec.prompts) or spec.languages
    if language is None or language in known:
        return language
    full, general = language.lower(), language.split("-")[0].lower()
    names = {name.lower(): name for name in known}
    kinds = [name for name in known if full == general == name.split("-")[0].lower()]
    if found := [*filter(None, (names.get(full), names.get(general))), *kinds]:
        return found[0]
    raise WavelaneError(ErrorCode.INVALID_CONFIG, f"language: {spec.name} knows {', '.join(known)}, not {language!r}")


def _lookaheads(options: SessionOptions, spec: ModelSpec) -> dict[str, int | str | None]:
    """The options that speak of the lookahead, with the model's own where there is none."""
    if options.lookahead != "auto":
        return {"lookahead": spec.default_lookahead if options.lookahead is None else options.lookahead}
    longest = max(spec.lookaheads) if options.lookahead_max is None else options.lookahead_max
    shortest = min(spec.default_lookahead, longest) if options.lookahead_min is None else options.lookahead_min
    return {"lookahead": "auto", "lookahead_min": shortest, "lookahead_max": longest}


def _decoding(options: SessionOptions, spec: ModelSpec) -> DecodingOptions:
    """The search, with the beam that there is where none is asked for."""
    decoding = options.decoding
    if decoding.method == "greedy":
        return decoding
    if spec.max_beam < 2:
        reason = "setting engine.max_beam is 1" if spec.max_beam == 1 else f"it cannot with {spec.name}"
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, f"decoding.method: this server has no beam search ({reason}); choose greedy"
        )
    if decoding.beam is not None and decoding.beam > spec.max_beam:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"decoding.beam: {decoding.beam} is more than this server's limit of {spec.max_beam} (setting "
            "engine.max_beam)",
        )
    return DecodingOptions(method="beam", beam=decoding.beam or min(DEFAULT_BEAM, spec.max_beam))


def grammar_of(options: SessionOptions, spec: ModelSpec, grammars: GrammarLibrary) -> Grammar | None:
    """The grammar of effective options, if the model can spell it and nothing else contradicts it.

    Raises:
        WavelaneError: INVALID_CONFIG.
    """
    if options.grammar is None:
        return None
    grammar = grammars.find(options.grammar)
    if spec.constrained:
        others = {
            "decoding.method": options.decoding.method != "greedy",
            "alternatives": options.alternatives > 1,
            "hotwords": bool(options.hotwords),
            "lm": options.lm not in (None, NO_LM, spec.default_lm),
            "lm_weight": options.lm_weight is not None,
        }
        if useless := [name for name, asked in others.items() if asked]:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"{', '.join(useless)}: of no effect with a grammar, whose best sentence is searched for as a whole; "
                "leave them out, or the grammar",
            )
        spell_automaton(grammar.automaton, speller(spec.vocabulary))
    elif grammar.sounds > MOST_SOUNDS:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"grammar: with this model the nearest sentence is looked for, in at most {MOST_SOUNDS} sounds on the ways "
            f"through the grammar, and it has {grammar.sounds}; use fewer alternatives",
        )
    return grammar


def _check_text(options: SessionOptions, spec: ModelSpec) -> None:
    ruled = options.text.ruled
    defaults = [name for name, prompt in spec.prompts.items() if prompt == spec.default_prompt]
    language = options.language or next(iter((*defaults, *spec.languages)), "en")
    if ruled and language.split("-")[0] != LANGUAGE:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"text.{ruled[0]}: there are rules for {LANGUAGE} only, and the language is {language!r}: leave "
            f"{' and '.join(ruled)} out, or set language to {LANGUAGE}",
        )


def _language_model(options: SessionOptions, spec: ModelSpec) -> str:
    """Name of the language model, the model's own where none is asked for, or ``off``."""
    lm = options.lm if options.lm is not None else (spec.default_lm or NO_LM)
    if lm not in (NO_LM, *spec.language_models):
        known = ", ".join(spec.language_models)
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"lm: this server has no language model {lm!r}; "
            + (f"it has {known}" if known else "it has none (setting lm.paths)")
            + f", or {NO_LM}",
        )
    if lm == NO_LM and options.lm_weight is not None:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, "lm_weight: there is no language model to weigh; choose one with lm"
        )
    return lm


def _check_hotwords(options: SessionOptions, spec: ModelSpec, most: int) -> None:
    if len(options.hotwords) > most:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"hotwords: {len(options.hotwords)} phrases are more than this server's limit of {most} (setting "
            "lm.max_hotwords): send those that matter, or have the server's operator keep the list (lm.hotwords_file)",
        )
    if options.hotwords:
        speller(spec.vocabulary).check(hotword.phrase for hotword in options.hotwords)
