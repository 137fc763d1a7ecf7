"""Where profiles are kept: a folder with a JSON file for each, safe for several processes."""

import asyncio
import contextlib
import hashlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import ValidationError

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.config import ProfilesConfig
from wavelane_server.logs import get_logger
from wavelane_server.profiles.profile import ID_PATTERN, Profile, Vocabulary, now

if sys.platform != "win32":
    import fcntl

_SUFFIX = ".json"

_Result = TypeVar("_Result")


class ProfileStore(Protocol):
    """Keeps profiles. Every method may be called from several processes at the same time."""

    async def load(self, key: str) -> Profile:
        """A profile. Raises PROFILE_NOT_FOUND."""

    async def save(self, key: str, vocabulary: Vocabulary) -> Profile:
        """Store a vocabulary, in place of the one that was there. Raises INVALID_CONFIG past a limit."""

    async def change(self, key: str, change: Callable[[Vocabulary], Vocabulary]) -> Profile:
        """Change a profile; of changes at the same time none is lost. Raises as :meth:`load` and :meth:`save`."""

    async def erase(self, key: str) -> None:
        """Forget a profile. Raises PROFILE_NOT_FOUND."""


class FolderStore:
    """A folder with one file a profile, named by a hash of its key. Implements :class:`ProfileStore`.

    A file is replaced as a whole (written beside it, then renamed), so that a reader never sees half of one; writers
    hold the folder's lock.

    Args:
        config: folder and limits.
    """

    def __init__(self, config: ProfilesConfig) -> None:
        assert config.folder is not None, "profiles are not kept"
        self._folder = config.folder
        self._config = config
        self._mutex = threading.Lock()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                pass
        except OSError as error:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"profiles.folder: {self._folder} cannot be written to ({error.strerror}); choose another folder",
            ) from None

    async def load(self, key: str) -> Profile:
        """See :class:`ProfileStore`."""
        return await asyncio.to_thread(self._read, key)

    async def save(self, key: str, vocabulary: Vocabulary) -> Profile:
        """See :class:`ProfileStore`."""

        def save() -> Profile:
            with self._locked():
                created = None
                with contextlib.suppress(WavelaneError):
                    created = self._read(key).created
                return self._write(key, vocabulary, created)

        return await _writing(save)

    async def change(self, key: str, change: Callable[[Vocabulary], Vocabulary]) -> Profile:
        """See :class:`ProfileStore`."""

        def update() -> Profile:
            with self._locked():
                profile = self._read(key)
                return self._write(key, change(profile), profile.created)

        return await _writing(update)

    async def erase(self, key: str) -> None:
        """See :class:`ProfileStore`."""

        def erase() -> None:
            with self._locked():
                try:
                    self._path(key).unlink()
                except FileNotFoundError:
                    raise _not_found() from None

        await _writing(erase)

    def _path(self, key: str) -> Path:
        if re.match(ID_PATTERN, key) is None or key.endswith("\n"):
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG, "profile: a key has 8 to 128 letters, digits, - and _; use a long random one"
            )
        return self._folder / (hashlib.sha256(key.encode()).hexdigest() + _SUFFIX)

    def _read(self, key: str) -> Profile:
        path = self._path(key)
        try:
            return Profile.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise _not_found() from None
        except (ValidationError, OSError) as error:
            get_logger().error("a profile cannot be read", file=path.name, reason=type(error).__name__)
            raise WavelaneError(
                ErrorCode.INTERNAL, "the profile cannot be read; store it anew, or erase it; the fault was logged"
            ) from None

    def _write(self, key: str, vocabulary: Vocabulary, created: object) -> Profile:
        path, limit = self._path(key), self._config.max_phrases
        for name, count in (("hotwords", len(vocabulary.hotwords)), ("replace", len(vocabulary.replace))):
            if count > limit:
                raise WavelaneError(
                    ErrorCode.INVALID_CONFIG,
                    f"{name}: {count} phrases are more than the {limit} that a profile may have (setting "
                    "profiles.max_phrases); take some out",
                )
        if created is None and not path.exists():
            count = sum(1 for _ in self._folder.glob(f"*{_SUFFIX}"))
            if count >= self._config.max_profiles:
                raise WavelaneError(
                    ErrorCode.OVERLOADED,
                    f"{count} profiles are stored, and no more are taken (setting profiles.max_profiles): erase some",
                )
        time = now()
        values = vocabulary.model_dump() | {"created": created or time, "updated": time}
        profile = Profile.model_validate(values)
        handle, fresh = tempfile.mkstemp(dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(profile.model_dump_json(indent=1).encode())
                file.flush()
                os.fsync(file.fileno())
            Path(fresh).replace(path)
        except BaseException:
            Path(fresh).unlink(missing_ok=True)
            raise
        return profile

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, of all threads and processes."""
        with self._mutex, (self._folder / ".lock").open("a") as lock:
            if sys.platform != "win32":
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


async def _writing(work: Callable[[], _Result]) -> _Result:
    """Change the folder on another thread. Raises INTERNAL where that cannot be, as on a full disk."""
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        get_logger().error("the folder of profiles cannot be written to", reason=error.strerror)
        raise WavelaneError(
            ErrorCode.INTERNAL, "the profile could not be changed, and is as it was; the fault was logged"
        ) from None


def make_store(config: ProfilesConfig) -> ProfileStore | None:
    """The store that the settings name; None: no profiles are kept."""
    return None if config.folder is None else FolderStore(config)


def no_profiles() -> WavelaneError:
    """The refusal of a server that keeps none."""
    return WavelaneError(
        ErrorCode.INVALID_CONFIG, "profile: this server keeps no profiles (setting profiles.folder); leave it out"
    )


def _not_found() -> WavelaneError:
    return WavelaneError(
        ErrorCode.PROFILE_NOT_FOUND,
        "profile: nothing is stored under this key; store it with PUT /v1/profiles/{key}, or leave it out",
    )
