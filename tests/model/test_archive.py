"""Archives that nobody vouches for: every trick is refused with its reason, and leaves no trace."""

import gzip
import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from support.archives import Member, members, plain, reconfigure, replace, special, write
from support.golden import GOLDEN, MORE
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.checkpoint import load_model
from wavelane.model.checkpoint.archive import ArchiveLimits, open_archive

SOURCE = GOLDEN / "ctc80.nemo"


def refusal(path: Path, limits: ArchiveLimits | None = None) -> str:
    with pytest.raises(WavelaneError) as caught:
        load_model(path, limits=limits)
    assert caught.value.code is ErrorCode.MODEL_UNSUPPORTED
    return caught.value.message


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (plain("../escape.txt", b"x"), "absolute path or one that leaves"),
        (plain("a/../../escape.txt", b"x"), "absolute path or one that leaves"),
        (plain("/etc/escape.txt", b"x"), "absolute path or one that leaves"),
        (plain("..\\escape.txt", b"x"), "absolute path or one that leaves"),
        (special("link", tarfile.SYMTYPE, "/etc/passwd"), "link, a device or a sparse file"),
        (special("link", tarfile.LNKTYPE, "model_config.yaml"), "link, a device or a sparse file"),
        (special("pipe", tarfile.FIFOTYPE), "link, a device or a sparse file"),
        (special("device", tarfile.CHRTYPE), "link, a device or a sparse file"),
        (plain("model_config.yaml", b"a: 1"), "two members"),
    ],
)
def test_unsafe_members(tmp_path: Path, extra: Member, reason: str) -> None:
    path = write(tmp_path / "model.nemo", [*members(SOURCE), extra])
    assert reason in refusal(path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["model.nemo"], "nothing is written anywhere"
    assert not (tmp_path.parent / "escape.txt").exists()


class Exploit:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_pickles_do_not_run(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    if form == "pickle":
        pickle.dump({"encoder": Exploit()}, buffer)
    else:
        torch.save({"encoder": Exploit()}, buffer)
    path = replace(SOURCE, tmp_path / "model.nemo", {"model_weights.ckpt": buffer.getvalue()})
    message = refusal(path)
    assert "corrupt, or holds objects that would run code" in message
    assert not (tmp_path / "pwned").exists()


def test_too_many_members(tmp_path: Path) -> None:
    path = write(tmp_path / "model.nemo", [*members(SOURCE), *(plain(f"f{i}") for i in range(300))])
    assert "more than 256 members (limit members)" in refusal(path)


def test_a_gzip_bomb_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "model.nemo"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    assert path.stat().st_size < 100_000
    message = refusal(path, ArchiveLimits(total_bytes=16 << 20))
    assert "more than 16777216 bytes (limit total_bytes)" in message


def test_an_archive_larger_than_the_limit(tmp_path: Path) -> None:
    assert "limit total_bytes" in refusal(SOURCE, ArchiveLimits(total_bytes=1000))


def test_a_huge_configuration(tmp_path: Path) -> None:
    path = replace(SOURCE, tmp_path / "model.nemo", {"model_config.yaml": b"#" * 2000})
    assert "more than 1000 (limit config_bytes)" in refusal(path, ArchiveLimits(config_bytes=1000)).replace(
        "bytes, ", ""
    )


def test_a_compressed_checkpoint_is_no_way_around_the_limit(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(8 << 20))
    path = replace(SOURCE, tmp_path / "model.nemo", {"model_weights.ckpt": buffer.getvalue()})
    assert "are compressed" in refusal(path)


@pytest.mark.parametrize("source", [SOURCE, MORE / "batchnorm.nemo"], ids=["tar", "tar.gz"])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.7, 0.98])
def test_truncated(tmp_path: Path, source: Path, part: float) -> None:
    data = source.read_bytes()
    path = tmp_path / "model.nemo"
    path.write_bytes(data[: int(len(data) * part)])
    message = refusal(path)
    assert str(path) in message or "model" in message


def test_corrupt_bytes_in_the_weights(tmp_path: Path) -> None:
    (weights,) = [data for info, data in members(SOURCE) if info.name.endswith("model_weights.ckpt")]
    for damaged in (b"", b"\x00" * 5000, weights[: len(weights) // 2], weights[1000:]):
        path = replace(SOURCE, tmp_path / "model.nemo", {"model_weights.ckpt": damaged})
        assert "cannot be read as plain tensors" in refusal(path)


def test_random_bytes_are_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "model.nemo"
    path.write_bytes(os.urandom(10_000))
    assert "not a readable tar or tar.gz archive" in refusal(path)


def test_members_are_missing(tmp_path: Path) -> None:
    for missing in ("model_config.yaml", "model_weights.ckpt", "_tokenizer.model"):
        kept = [member for member in members(SOURCE) if not member[0].name.endswith(missing)]
        assert missing.lstrip("_") in refusal(write(tmp_path / "model.nemo", kept)) or missing == "_tokenizer.model"


def test_tensors_that_claim_more_than_they_hold(tmp_path: Path) -> None:
    (raw,) = [data for info, data in members(SOURCE) if info.name.endswith("model_weights.ckpt")]
    tensors = torch.load(io.BytesIO(raw), weights_only=True)
    tensors["decoder.decoder_layers.0.bias"] = torch.zeros(1).expand(1 << 40)
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    path = replace(SOURCE, tmp_path / "model.nemo", {"model_weights.ckpt": buffer.getvalue()})
    assert "decoder.decoder_layers.0.bias" in refusal(path)


def test_dimensions_that_would_fill_the_memory(tmp_path: Path) -> None:
    path = reconfigure(SOURCE, tmp_path / "model.nemo", lambda config: config["encoder"].update(d_model=1 << 40))
    assert "encoder.d_model is 1099511627776, expected a whole number up to" in refusal(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[1, 2", b"just text", b"- a\n- b", b"{" * 100_000])
def test_a_configuration_that_is_none(tmp_path: Path, content: bytes) -> None:
    path = replace(SOURCE, tmp_path / "model.nemo", {"model_config.yaml": content})
    assert "model_config.yaml is" in refusal(path)


def test_a_corrupt_tokenizer(tmp_path: Path) -> None:
    (name,) = [info.name for info, _ in members(SOURCE) if info.name.endswith("tokenizer.model")]
    path = replace(SOURCE, tmp_path / "model.nemo", {name.removeprefix("./"): b"not a model"})
    assert "not a sentencepiece model" in refusal(path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(WavelaneError) as caught:
        load_model(tmp_path / "nothing.nemo")
    assert caught.value.code is ErrorCode.MODEL_NOT_FOUND
    assert "There is no model at" in caught.value.message


def test_a_good_archive_reads_whole_and_in_part() -> None:
    with open_archive(MORE / "batchnorm.nemo") as archive:
        assert "model_config.yaml" in archive.names
        assert len(archive.read("model_config.yaml")) == archive.size("model_config.yaml")
        with archive.open("model_weights.ckpt") as file:
            assert file.read(2) == b"PK"
