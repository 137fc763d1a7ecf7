"""Reading tar archives that nobody vouches for.

Nothing is extracted: members are read where they lie. Only regular files with plain relative names are accepted, and
number and sizes are bounded before anything is read, so that neither a crafted name nor a bomb does harm.
"""

import gzip
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from wavelane.errors import ErrorCode, WavelaneError

_GZIP_MAGIC = b"\x1f\x8b"
_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """What an archive may hold; past it, the archive is refused."""

    members: int = 256
    """Entries of any kind."""
    total_bytes: int = 16 << 30
    """Size of the archive after decompression."""
    config_bytes: int = 8 << 20
    """Size of a configuration or tokenizer member, which is read into memory."""


class Archive:
    """An open archive."""

    def __init__(self, path: Path, tar: tarfile.TarFile, size: int, limits: ArchiveLimits) -> None:
        self._path = path
        self._tar = tar
        self._limits = limits
        self._members: dict[str, tarfile.TarInfo] = {}
        count = 0
        while (member := tar.next()) is not None:
            count += 1
            if count > limits.members:
                raise self._refuse(f"it has more than {limits.members} members (limit members)")
            if member.isdir():
                continue
            name = self._safe_name(member)
            if name in self._members:
                raise self._refuse(f"it has two members {name!r}")
            if member.offset_data + member.size > size:
                raise self._refuse(f"it ends inside the member {name!r}; fetch it again")
            self._members[name] = member

    def _safe_name(self, member: tarfile.TarInfo) -> str:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or "\\" in member.name:
            raise self._refuse(f"the member {member.name!r} has an absolute path or one that leaves the archive")
        if not member.isreg() or member.issparse():
            raise self._refuse(f"the member {member.name!r} is a link, a device or a sparse file, not a plain file")
        return str(path)

    def _refuse(self, reason: str) -> WavelaneError:
        return WavelaneError(ErrorCode.MODEL_UNSUPPORTED, f"The archive {self._path} is refused: {reason}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Members, without a leading ``./``."""
        return tuple(self._members)

    def size(self, name: str) -> int:
        """Bytes of a member."""
        return self._members[name].size

    def open(self, name: str) -> IO[bytes]:
        """A member as a seekable file.

        Raises:
            WavelaneError: there is none of this name.
        """
        if name not in self._members:
            raise self._refuse(f"it has no member {name!r}, as every NeMo archive has")
        file = self._tar.extractfile(self._members[name])
        assert file is not None, "regular members can be read"
        return file

    def read(self, name: str) -> bytes:
        """The whole of a small member.

        Raises:
            WavelaneError: it is missing or larger than ``config_bytes``.
        """
        with self.open(name) as file:
            if self.size(name) > self._limits.config_bytes:
                raise self._refuse(
                    f"the member {name!r} has {self.size(name)} bytes, more than {self._limits.config_bytes} "
                    "(limit config_bytes)"
                )
            return file.read()


@contextmanager
def open_archive(path: Path, limits: ArchiveLimits | None = None) -> Iterator[Archive]:
    """Open a tar or tar.gz archive.

    Args:
        path: of the archive.
        limits: on what it may hold.

    Raises:
        WavelaneError: it is no archive, corrupt, truncated, too large, or holds what no checkpoint has.
    """
    limits = limits or ArchiveLimits()
    with ExitStack() as stack:
        try:
            file: IO[bytes] = stack.enter_context(path.open("rb"))
            if file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC:
                file.seek(0)
                file = stack.enter_context(_decompressed(path, file, limits))
            size = file.seek(0, 2)
            if size > limits.total_bytes:
                raise _too_large(path, limits)
            file.seek(0)
            tar = stack.enter_context(tarfile.open(fileobj=file, mode="r:"))
            archive = Archive(path, tar, size, limits)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
            raise WavelaneError(
                ErrorCode.MODEL_UNSUPPORTED,
                f"{path} is not a readable tar or tar.gz archive ({error}); it may be truncated, fetch it again.",
            ) from error
        except OSError as error:
            raise WavelaneError(ErrorCode.MODEL_NOT_FOUND, f"Cannot read {path}: {error.strerror or error}.") from error
        yield archive


def _too_large(path: Path, limits: ArchiveLimits) -> WavelaneError:
    return WavelaneError(
        ErrorCode.MODEL_UNSUPPORTED,
        f"The archive {path} is refused: it holds more than {limits.total_bytes} bytes (limit total_bytes).",
    )


def _decompressed(path: Path, file: IO[bytes], limits: ArchiveLimits) -> IO[bytes]:
    """The archive without its compression, in a nameless temporary file: members are read in any order."""
    target = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    try:
        written = 0
        with gzip.GzipFile(fileobj=file) as source:
            while block := source.read(_COPY_BYTES):
                written += len(block)
                if written > limits.total_bytes:
                    raise _too_large(path, limits)
                target.write(block)
    except BaseException:
        target.close()
        raise
    return target
