"""The language models and hotwords of a server: those of its settings, and those that the model's folder brings."""

from dataclasses import replace
from pathlib import Path

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.folder import LmSource, read_folder, read_hotwords
from wavelane.lm.library import FusionLibrary
from wavelane.model.base import LoadedModel
from wavelane.session.options import NO_LM
from wavelane_server.config import LmConfig


def with_language_models(model: LoadedModel, config: LmConfig, path: Path) -> LoadedModel:
    """A model together with the language models and hotwords for it.

    Args:
        model: as loaded.
        config: the server's settings.
        path: of the checkpoint; a folder may have an ``lm.json``.

    Raises:
        WavelaneError: one of them does not load, is for another model, or is named twice; or there is no default of
            the name that is set.
    """
    folder = read_folder(path)
    sources = _sources(config.paths)
    if twice := sources.keys() & folder.models.keys():
        raise _refuse(f"lm.paths: the model's folder has a language model {min(twice)!r} already; use another name")
    sources |= folder.models
    default = folder.default if config.default is None else config.default
    if default not in (None, NO_LM, *sources):
        known = ", ".join(sources) or "none"
        raise _refuse(f"lm.default: there is no language model {default!r}; there is {known}, or {NO_LM}")
    hotwords = folder.hotwords + (() if config.hotwords_file is None else read_hotwords(config.hotwords_file))
    # What comes with a model is tried, and may never be asked for; what somebody set is loaded now, or refused.
    later = folder.models.keys() - {default}
    library = FusionLibrary(model.spec.vocabulary, sources, hotwords, later=later, prior=folder.prior)
    spec = replace(
        model.spec,
        language_models=library.names,
        default_lm=None if default == NO_LM else default,
        boosted=library.boosted,
    )
    return replace(model, spec=spec, fusions=library.fusion if spec.vocabulary else None, prior=library.prior)


def _sources(paths: tuple[str, ...]) -> dict[str, LmSource]:
    sources: dict[str, LmSource] = {}
    for entry in paths:
        name, equals, path = entry.partition("=")
        if not equals or not name.strip() or not path.strip():
            raise _refuse(f"lm.paths: {entry!r} is not name=path")
        if name == NO_LM or name in sources:
            raise _refuse(
                f"lm.paths: {name!r} " + ("stands for no language model" if name == NO_LM else "is there twice")
            )
        sources[name] = LmSource(path=Path(path).expanduser())
    return sources


def _refuse(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_CONFIG, message)
