"""Which model a name means: embedded, a path, a pipeline of torchaudio, or a repository on the Hugging Face hub."""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.embedded import DEFAULT, EMBEDDED, embedded_path
from wavelane.model.pipelines import PIPELINES
from wavelane_server.config import ModelConfig

EMBEDDED_NAME = "embedded"
"""Stands for the default embedded model."""

HUB_TIMEOUT_S = 10.0
"""How long the hub may take to say what a repository holds (s)."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FOLDER_FILES = ("config.json", "preprocessor_config.json", "processor_config.json", "tokenizer*", "*.safetensors*")
"""What a checkpoint in a Hugging Face or native folder consists of; nothing else is fetched."""


@dataclass(frozen=True, slots=True)
class Located:
    """A checkpoint on this machine, or a pipeline that its library fetches when it is loaded."""

    path: Path
    """Or the name of a pipeline, as :func:`wavelane.model.checkpoint.load_model` takes either."""
    name: str | None
    """What it is served as; None: the name it has itself."""


def locate(config: ModelConfig) -> Located:
    """Find a model, fetching it from the hub if it is not here yet.

    Raises:
        WavelaneError: MODEL_NOT_FOUND, saying where it was looked for and what to do.
    """
    wanted = config.path
    if wanted == EMBEDDED_NAME:
        return Located(embedded_path(DEFAULT), None)
    if wanted in EMBEDDED:
        return Located(embedded_path(wanted), None)
    if wanted in PIPELINES:
        return Located(Path(wanted), None)
    path = Path(wanted).expanduser()
    if path.exists():
        return Located(path, None)
    if _HUB_NAME.fullmatch(wanted) and path.suffix != ".nemo":
        return Located(_from_hub(wanted, config), wanted)
    near = difflib.get_close_matches(wanted, [EMBEDDED_NAME, *EMBEDDED, *PIPELINES], n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise _missing(
        f"there is no model {wanted!r}: {hint}It is the name of an embedded model ({', '.join(EMBEDDED)}), a file or "
        f"folder that exists, a hub name like owner/name, or a pipeline ({', '.join(PIPELINES)})"
    )


def _missing(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.MODEL_NOT_FOUND, message)


def _from_hub(repo: str, config: ModelConfig) -> Path:
    """Fetch what is needed of a repository; what was fetched before is used when the hub is out of reach."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    cache = Path(config.cache_dir or HF_HUB_CACHE).expanduser()
    try:
        info = HfApi().model_info(repo, revision=config.revision, timeout=HUB_TIMEOUT_S)
    except GatedRepoError:
        raise _missing(
            f"{repo} wants its terms accepted: do so on https://huggingface.co/{repo}, then set HF_TOKEN"
        ) from None
    except (RepositoryNotFoundError, RevisionNotFoundError):
        revision = f" of revision {config.revision!r}" if config.revision else ""
        raise _missing(f"the hub has no model {repo!r}{revision}: check the name; private ones need HF_TOKEN") from None
    except Exception as error:
        # Offline by HF_HUB_OFFLINE, by the network, or by the hub itself: the HTTP library behind it is no contract.
        return _from_cache(repo, config, cache, type(error).__name__)
    patterns = _needed(repo, [sibling.rfilename for sibling in info.siblings or []])
    try:
        snapshot = snapshot_download(repo, revision=config.revision, cache_dir=cache, allow_patterns=patterns)
    except OSError as error:
        if error.strerror is None:
            raise _missing(f"fetching {repo} broke off ({error}): try again, it goes on where it stopped") from None
        raise _missing(
            f"{repo} cannot be written to the cache {cache} ({error.strerror}): make the folder writable, or choose "
            "another one with --model-cache-dir or HF_HOME"
        ) from None
    except Exception as error:
        raise _missing(
            f"fetching {repo} broke off ({type(error).__name__}): try again, it goes on where it stopped"
        ) from None
    return _checkpoint(repo, Path(snapshot))


def _from_cache(repo: str, config: ModelConfig, cache: Path, reason: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        snapshot = snapshot_download(repo, revision=config.revision, cache_dir=cache, local_files_only=True)
    except Exception:
        raise _missing(
            f"{repo} is not in the cache {cache}, and the hub is out of reach ({reason}): connect to the network "
            "(unset HF_HUB_OFFLINE), fetch it where there is one with `wavelane models pull`, or name a path"
        ) from None
    return _checkpoint(repo, Path(snapshot))


def _needed(repo: str, names: list[str]) -> list[str]:
    """Patterns of the files to fetch: the folder's if it has weights there, else its ``.nemo`` archive."""
    if "config.json" in names and any(name.endswith(".safetensors") and "/" not in name for name in names):
        return list(_FOLDER_FILES)
    archives = [name for name in names if name.endswith(".nemo")]
    if not archives:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED,
            f"{repo} has neither config.json with safetensors weights nor a .nemo archive: it is no checkpoint "
            "that can be served",
        )
    return [sorted(archives, key=len)[0]]


def _checkpoint(repo: str, folder: Path) -> Path:
    """The checkpoint within a snapshot."""
    if (folder / "config.json").exists() and any(folder.glob("*.safetensors")):
        return folder
    archives = sorted(folder.rglob("*.nemo"), key=lambda path: len(path.name))
    if not archives:
        raise _missing(
            f"{repo} is in the cache only in part ({folder}): run `wavelane models pull {repo}` with a network"
        )
    return archives[0]


def cached(config: ModelConfig) -> list[tuple[str, Path]]:
    """Hub repositories in the cache that hold a checkpoint file: name and path."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir(Path(config.cache_dir or HF_HUB_CACHE).expanduser()).repos
    except CacheNotFound:
        return []
    found = []
    for repo in sorted(repos, key=lambda repo: repo.repo_id):
        revision = max(repo.revisions, key=lambda revision: revision.last_modified, default=None)
        if repo.repo_type != "model" or revision is None:
            continue
        try:
            found.append((repo.repo_id, _checkpoint(repo.repo_id, revision.snapshot_path)))
        except WavelaneError:
            continue
    return found
