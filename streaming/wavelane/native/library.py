"""The compiled library: where it is, whether this machine can run it, and its C interface (``src/native.h``)."""

import ctypes
import functools
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_uint8, c_void_p
from pathlib import Path

from wavelane.machine import processor_flags

FLOATS = POINTER(c_float)
INTS = POINTER(c_int32)
LONGS = POINTER(c_int64)
BYTES = POINTER(c_uint8)

PARTS = ("features", "subsampling", "feed_forward", "attention", "convolution", "decoder")
"""What ``wavelane_seconds`` gives, in order."""

PRECISIONS = {"fp32": 0, "bf16": 1, "int8": 2}
"""Precisions of the library, by the names that settings use."""

HEADS = {None: 0, "ctc": 1, "rnnt": 2}
ACTIVATIONS = {"relu": 0, "tanh": 1, "sigmoid": 2}

BUILDS = {
    "avx512_amx": (
        *("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "avx512_bf16"),
        *("amx_tile", "amx_int8", "amx_bf16"),
    ),
    "avx512_bf16": ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "avx512_bf16"),
    "avx512_vnni": ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni"),
}
"""Builds of the library and what they need of the processor (names of ``/proc/cpuinfo``), the best first."""


class Shape(ctypes.Structure):
    """``wavelane_shape``"""

    _fields_ = (
        ("precision", c_int32),
        ("n_mels", c_int32),
        ("hop", c_int32),
        ("window", c_int32),
        ("n_fft", c_int32),
        ("preemphasis", c_float),
        ("log_guard", c_float),
        ("closing_frame", c_int32),
        ("d_model", c_int32),
        ("layers", c_int32),
        ("heads", c_int32),
        ("d_ff", c_int32),
        ("kernel", c_int32),
        ("channels", c_int32),
        ("left_context", c_int32),
        ("most_chunk", c_int32),
        ("layer_norm", c_int32),
        ("mask_before_start", c_int32),
        ("padded_tail", c_int32),
        ("head", c_int32),
        ("symbols", c_int32),
        ("blank", c_int32),
        ("prompts", c_int32),
        ("prompt_hidden", c_int32),
        ("hidden", c_int32),
        ("lstm_layers", c_int32),
        ("joint", c_int32),
        ("max_symbols", c_int32),
        ("activation", c_int32),
    )


class Rows(ctypes.Structure):
    """``wavelane_batch``"""

    _fields_ = (
        ("rows", c_int32),
        ("chunk", c_int32),
        ("room", c_int32),
        ("lanes", LONGS),
        ("samples", POINTER(FLOATS)),
        ("frames", INTS),
        ("start", BYTES),
        ("last", BYTES),
        ("prompts", INTS),
        ("lengths", INTS),
        ("positions", LONGS),
        ("finite", BYTES),
        ("encoded", FLOATS),
        ("ids", INTS),
        ("frames_of_ids", INTS),
        ("confidences", FLOATS),
        ("counts", INTS),
    )


def path_of(build: str) -> Path:
    """Where a build of the library is put by ``hatch_build.py``."""
    return Path(__file__).parent / f"libwavelane_{build}.so"


@functools.cache
def best_build() -> tuple[str | None, str]:
    """Name of the build that this machine uses; or None, and why there is none."""
    usable = [build for build, needs in BUILDS.items() if processor_flags().issuperset(needs)]
    if not usable:
        return None, "this processor has no AVX-512 VNNI (or the system does not say)"
    for build in usable:
        if path_of(build).exists():
            try:
                allowed = open_build(build).wavelane_allowed()
            except (OSError, AttributeError) as error:
                return None, f"the library cannot be used ({error}); install Wavelane again"
            # A system may keep the registers of AMX to itself; the next build does without.
            if allowed:
                return build, ""
    return None, "the library was not compiled when Wavelane was installed; install g++ and install Wavelane again"


def missing() -> str | None:
    """Why the library cannot be used on this machine; None if it can."""
    build, reason = best_build()
    return None if build else reason


def library() -> ctypes.CDLL:
    """The best build for this machine.

    Raises:
        RuntimeError: there is none, see :func:`missing`.
    """
    build, reason = best_build()
    if build is None:
        raise RuntimeError(reason)
    return open_build(build)


@functools.cache
def open_build(build: str) -> ctypes.CDLL:
    """Load a build.

    Raises:
        OSError: it is not there, or was compiled from other sources than these.
        AttributeError: the same.
    """
    lib = ctypes.CDLL(str(path_of(build)))
    for name, result, arguments in (
        ("layout", c_int64, (c_int,)),
        ("allowed", c_int, ()),
        ("create", c_void_p, (POINTER(Shape),)),
        ("destroy", None, (c_void_p,)),
        ("load", c_int, (c_void_p, c_char_p, c_int, FLOATS, c_int64)),
        ("plan", c_int, (c_void_p, c_int, INTS, INTS, FLOATS)),
        ("open", c_int, (c_void_p, c_int64)),
        ("bytes_per_lane", c_int64, (c_void_p,)),
        ("scratch", c_void_p, (c_void_p,)),
        ("drop", None, (c_void_p, c_void_p)),
        ("step", None, (c_void_p, c_void_p, POINTER(Rows))),
        ("scores", POINTER(c_float), (c_void_p, c_void_p, POINTER(c_int64))),
        ("rnnt_size", c_int64, (c_void_p,)),
        ("rnnt_fresh", None, (c_void_p, FLOATS)),
        ("rnnt_join", POINTER(c_float), (c_void_p, c_void_p, c_int32, INTS, POINTER(FLOATS), POINTER(c_int64))),
        ("rnnt_read", None, (c_void_p, c_void_p, c_int32, INTS, POINTER(FLOATS), POINTER(FLOATS))),
        ("seconds", None, (c_void_p, c_void_p, POINTER(c_double))),
        ("rate", c_double, (c_int, c_int, c_int, c_int, c_double)),
    ):
        function = getattr(lib, f"wavelane_{name}")
        function.restype = result
        function.argtypes = arguments
    if [lib.wavelane_layout(which) for which in (0, 1)] != [ctypes.sizeof(Shape), ctypes.sizeof(Rows)]:
        raise OSError("it was compiled from other sources")
    return lib


def rate(precision: str, rows: int, inputs: int, outputs: int, seconds: float = 0.2) -> float:
    """Operations per second (a multiply-add is two) of one core on products [rows, inputs] x [inputs, outputs]."""
    return float(library().wavelane_rate(PRECISIONS[precision], rows, inputs, outputs, seconds))
