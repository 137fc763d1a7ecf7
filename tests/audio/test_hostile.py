"""Containers that lie, are broken, or claim too much: a clear error each, never a hang or a crash."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.encode import encode, tones
from wavelane.audio.codec import PacketDecoder
from wavelane.audio.decoder import decode_bytes, open_decoder
from wavelane.audio.demux import Demuxer, Packet
from wavelane.audio.elementary import ElementaryParser
from wavelane.audio.flac import FlacParser
from wavelane.audio.limits import DecoderLimits, Expansion
from wavelane.audio.ogg import _checksum
from wavelane.audio.webm import WebmParser
from wavelane.errors import ErrorCode, WavelaneError


def fault_of(data, limits=None):
    with pytest.raises(WavelaneError) as failure:
        decode_bytes(data, limits)
    assert failure.value.code is ErrorCode.INVALID_AUDIO
    return failure.value.message


def flac(seconds=1.0, rate=16_000, audio=None):
    return encode("flac", "flac", rate, tones(rate, seconds) if audio is None else audio)


@pytest.mark.parametrize(
    "data",
    [b"\0" * 64, b"GIF89a" + b"x" * 60, b'{"type": "start"}   ', b"RIFF\0\0\0\0AVI LIST", b"#!AMR\n" + bytes(40)],
)
def test_unknown_data(data):
    assert "which is no WAV, FLAC, Ogg, WebM, MP3, AAC or MP4" in fault_of(data)


def test_too_few_bytes():
    assert "3 bytes are too few" in fault_of(b"fLa")


def test_no_bytes():
    assert "no audio" in fault_of(b"")


def test_a_flac_bomb_is_stopped_early():
    """An hour of digital silence is 200 kB of FLAC; frames of 65,535 samples make it 12 kB."""
    bomb = encode("flac", "flac", 96_000, np.zeros((1, 65_535 * 40), np.float32), frame_size="65535")
    assert len(bomb) < 25_000
    limits = DecoderLimits(free_seconds=5, max_seconds_per_megabyte=100)
    decoder = open_decoder("container", limits=limits)
    blocks = []

    def take_all():
        for block in decoder.feed(bomb):
            blocks.append(block.shape[1] / 96_000)

    with pytest.raises(WavelaneError, match=r"more than \d+ s of audio, above the limit of 5 s and 100 s per megabyte"):
        take_all()
    assert 4 < sum(blocks) <= 7


def test_silence_compresses_below_the_bound_only_for_the_free_seconds():
    frames = flac(audio=np.zeros((1, 16_000 * 30), np.float32))
    assert decode_bytes(frames)[1].shape == (1, 480_000)
    limits = DecoderLimits(free_seconds=10, max_seconds_per_megabyte=3_000)
    assert "coded bytes become more than" in fault_of(frames, limits)


@pytest.mark.parametrize(
    ("container", "codec", "rate", "parser"),
    [
        ("webm", "libopus", 48_000, WebmParser(DecoderLimits())),
        ("flac", "flac", 16_000, FlacParser(DecoderLimits())),
        ("adts", "aac", 16_000, ElementaryParser("AAC", DecoderLimits())),
    ],
)
def test_a_microphone_may_be_muted_for_a_working_day(container: str, codec: str, rate: int, parser: Demuxer):
    """What ten seconds of digital silence take, again and again for eight hours."""
    silence = encode(container, codec, rate, np.zeros((1, 10 * rate), np.float32))
    found = [*parser.feed(silence), *parser.finish()]
    coded = sum(len(packet.data) for packet in found if isinstance(packet, Packet))
    expansion = Expansion(DecoderLimits())
    for _ in range(8 * 360):
        expansion.account(coded, 10 * rate, rate)
    assert expansion.samples == 8 * 3600 * rate


def test_decoding_is_lazy():
    """A consumer that stops has paid for what it took only."""
    decoder = open_decoder("container")
    blocks = decoder.feed(flac(20))
    first = next(blocks)
    assert first.shape[1] < 16_000


def streaminfo(rate=16_000, channels=1, bits=16, total=0):
    packed = rate << 44 | channels - 1 << 41 | bits - 1 << 36 | total
    return b"fLaC\x80\0\0\x22" + struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)


@pytest.mark.parametrize("rate", [0, 7_999, 96_001, 655_350])
def test_absurd_rates(rate):
    assert f"has {rate} samples a second; 8000 to 96000 are taken" in fault_of(streaminfo(rate))


def test_absurd_channels():
    fmt = struct.pack("<HHIIHH", 1, 9, 16_000, 16_000 * 18, 18, 16)
    data = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + fmt + b"data\0\0\0\0"
    assert "has 9 channels; 1 to 8 are taken (max_channels)" in fault_of(data)


@pytest.mark.parametrize(
    ("fmt", "message"),
    [
        (struct.pack("<HHIIHH", 2, 1, 16_000, 8_000, 256, 4), "format tag 2 with 4 bits"),
        (struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 7, 16), "7 bytes a frame for 1 channels"),
        (struct.pack("<HHIIHH", 1, 0, 16_000, 0, 0, 16), "has 0 channels"),
    ],
)
def test_wav_formats_that_are_not_taken(fmt, message):
    assert message in fault_of(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + fmt + b"data\0\0\0\0" + bytes(64))


def test_a_wav_with_nan():
    fmt = struct.pack("<HHIIHH", 3, 1, 16_000, 64_000, 4, 32)
    audio = struct.pack("<3f", 0.5, 0.25, float("nan"))
    decoder = open_decoder("container")
    blocks = decoder.feed(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + fmt + b"data\0\0\0\0" + audio)
    assert next(blocks).tolist() == [[0.5, 0.25]]
    with pytest.raises(WavelaneError, match="sample 2 is nan"):
        next(blocks)


def test_parts_of_absurd_size_are_refused_not_awaited():
    assert "1048576 is the limit" in fault_of(b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\x7f" + bytes(64))
    ebml = bytes.fromhex("1A45DFA3 80 18538067 01FFFFFFFFFFFFFF 1654AE6B 08 7FFFFFFF".replace(" ", ""))
    assert "1048576 is the limit" in fault_of(ebml + bytes(64))


def test_no_frame_in_megabytes_of_flac():
    data = flac() + bytes(5 << 20)
    assert "no frame in the" in fault_of(data)


def test_a_flipped_bit_in_flac():
    data = bytearray(flac())
    data[len(data) // 2] ^= 4
    assert "does not decode" in fault_of(bytes(data))


def test_a_flipped_bit_in_ogg():
    data = bytearray(encode("ogg", "libopus", 48_000, tones(48_000, 1)))
    data[len(data) // 2] ^= 4
    assert "fails its checksum" in fault_of(bytes(data))


def test_an_ogg_without_a_known_codec():
    data = encode("ogg", "libopus", 48_000, tones(48_000, 0.2))
    page = bytearray(data[:47])
    assert page[28:36] == b"OpusHead"
    page[28:36] = b"Speex   "
    page[22:26] = bytes(4)
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    page[22:26] = struct.pack("<I", crc)
    assert "no Opus, Vorbis or FLAC" in fault_of(bytes(page) + data[47:])


def ogg_page(packets, flags=0):
    """A page that holds whole packets of less than 255 bytes."""
    lacing = bytes(map(len, packets))
    page = bytearray(b"OggS\0" + bytes([flags]) + bytes(20) + bytes([len(lacing)]) + lacing + b"".join(packets))
    page[22:26] = struct.pack("<I", _checksum(page))
    return bytes(page)


@pytest.mark.parametrize("packets", [[b"\1vorbis"], [b"O", b"pusHead" + bytes(11)], [b"\x7fFLAC", bytes(46)]])
def test_an_ogg_whose_header_is_cut(packets):
    data = ogg_page(packets, flags=2) + ogg_page([b"abc", b"abc"])
    assert f"a header of {len(packets[0])} bytes" in fault_of(data)


def element(name, body):
    return bytes.fromhex(name) + (1 << 28 | len(body)).to_bytes(4, "big") + body


def webm(*track, audio=b"", blocks=b""):
    known = element("D7", b"\1") + element("83", b"\2") + element("86", b"A_PCM/INT/LIT")
    format_ = element("6264", b"\x10") + element("B5", struct.pack(">f", 8_000)) + audio
    tracks = element("1654AE6B", element("AE", known + b"".join(track) + element("E1", format_)))
    return element("1A45DFA3", b"") + bytes.fromhex("1853806701FFFFFFFFFFFFFF") + tracks + blocks


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (webm(audio=element("9F", b"\xff" * 4_000)), "an integer of 4000 bytes"),
        (webm(element("56AA", b"\xff" * 500)), "an integer of 500 bytes"),
        (webm(element("56AA", (1 << 40).to_bytes(8, "big"))), "a codec delay of 1100 s"),
    ],
)
def test_absurd_numbers_of_webm(data, message):
    assert message in fault_of(data)


def test_audio_that_is_dropped_counts_as_decoded():
    stream, *frames = FlacParser(DecoderLimits()).feed(flac(60.0, 8_000, np.zeros((1, 480_000), np.float32)))
    decoder = PacketDecoder("WebM", DecoderLimits(free_seconds=1, max_seconds_per_megabyte=1_000))
    decoder.begin(stream)
    dropped = (decoder.decode(Packet(frame.data, discard=1 << 40)) for frame in frames)
    with pytest.raises(WavelaneError, match="above the limit of 1 s"):
        assert not [block for blocks in dropped for block in blocks]


def test_an_mp4_that_is_cut_or_too_long():
    data = encode("mp4", "aac", 44_100, tones(44_100, 1))
    assert "the MP4 data is corrupt" in fault_of(data[: len(data) // 2])
    assert "longer than 1000 bytes (max_held_bytes)" in fault_of(data, DecoderLimits(max_held_bytes=1_000))


def test_an_mp3_of_nonsense():
    noise = np.random.default_rng(1).integers(0, 255, 60_000, np.uint8).tobytes()
    assert fault_of(b"ID3\4\0\0\0\0\0\0" + b"\xff\xfb\x90\x00" + noise)


def test_a_format_that_changes_midway():
    mono, stereo = (encode("ogg", "libopus", 48_000, tones(48_000, 0.3, channels)) for channels in (1, 2))
    assert "changes from 1 channels at 48000 Hz to 2 at 48000 Hz" in fault_of(mono + stereo)


SEEDS = {
    "wav": encode("wav", "pcm_s16le", 16_000, tones(16_000, 0.05)),
    "flac": flac(0.6),
    "opus": encode("ogg", "libopus", 48_000, tones(48_000, 0.3)),
    "webm": encode("webm", "libopus", 48_000, tones(48_000, 0.3)),
    "mkv": encode("matroska", "flac", 16_000, tones(16_000, 0.6)),
    "mp3": encode("mp3", "libmp3lame", 16_000, tones(16_000, 0.3)),
    "aac": encode("adts", "aac", 16_000, tones(16_000, 0.3)),
    "mp4": encode("mp4", "aac", 16_000, tones(16_000, 0.3)),
}


@pytest.mark.parametrize("name", SEEDS)
@given(
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=12),
    end=st.floats(0.05, 1),
    size=st.sampled_from([1, 13, 5_000]),
)
@settings(max_examples=40, deadline=None)
def test_mutations_decode_or_fail_cleanly_and_alike_for_any_split(name, changes, end, size):
    data = bytearray(SEEDS[name])
    for where, value in changes:
        data[int(where**2 * (len(data) - 1))] = value
    data = bytes(data[: int(len(data) * end)])

    def run(pieces):
        decoder = open_decoder("container")
        out, fault = [b""], None
        try:
            for piece in pieces:
                out.extend(block.tobytes() for block in decoder.feed(piece))
            out.extend(block.tobytes() for block in decoder.finish())
        except WavelaneError as error:
            fault = error.message
        return b"".join(out), fault

    whole = run([data])
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    # FFmpeg's own decoders may read what they never wrote after a broken packet: the same bytes then sound different
    # from one time to the next, whole or not.
    assert any(run(pieces) == whole or run([data]) != whole for _ in range(3))
