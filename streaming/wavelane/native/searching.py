"""The compiled beam search: where it is, and its C interface (``src/search/search.h``)."""

import ctypes
import functools
from ctypes import POINTER, c_double, c_float, c_int, c_int32, c_int64, c_uint64, c_void_p

from wavelane.native.library import BYTES, FLOATS, INTS, LONGS, path_of

DOUBLES = POINTER(c_double)
HASHES = POINTER(c_uint64)
POINTERS = POINTER(c_void_p)


class Graph(ctypes.Structure):
    """``wavelane_graph``"""

    _fields_ = (
        ("first", INTS),
        ("labels", INTS),
        ("targets", INTS),
        ("weights", FLOATS),
        ("backoff", INTS),
        ("backoff_weight", FLOATS),
        ("final", FLOATS),
        ("states", c_int32),
        ("start", c_int32),
        ("unknown", c_float),
        ("scale", c_float),
        ("words", c_int32),
        ("lexicon_size", c_int32),
        ("hashes", HASHES),
        ("ids", INTS),
    )


class Options(ctypes.Structure):
    """``wavelane_search_options``"""

    _fields_ = (
        ("symbols", c_int32),
        ("blank", c_int32),
        ("beam", c_int32),
        ("alternatives", c_int32),
        ("settle", c_int32),
        ("patience", c_int32),
        ("tokens", c_int32),
        ("expansions", c_int32),
        ("floor", c_float),
        ("margin", c_float),
    )


class View(ctypes.Structure):
    """``wavelane_search_view``"""

    _fields_ = (
        ("committed", c_int32),
        ("tentative", c_int32),
        ("alternatives", c_int32),
        ("ids", INTS),
        ("frames", INTS),
        ("confidences", FLOATS),
        ("counts", INTS),
        ("scores", DOUBLES),
        ("unsettled", c_int32),
    )


class Network(ctypes.Structure):
    """``wavelane_network``"""

    _fields_ = (
        ("nodes", c_int32),
        ("arcs", c_int32),
        ("source", INTS),
        ("target", INTS),
        ("label", INTS),
        ("accepts", BYTES),
        ("weight", FLOATS),
    )


class GrammarOptions(ctypes.Structure):
    """``wavelane_grammar_options``"""

    _fields_ = (
        ("symbols", c_int32),
        ("blank", c_int32),
        ("settle", c_int32),
        ("blank_penalty", c_float),
        ("garbage_penalty", c_float),
        ("margin", c_float),
        ("least", c_double),
    )


def missing_search() -> str | None:
    """Why there is no beam search on this machine; None if there is."""
    if not path_of("search").exists():
        return "the search library was not compiled when Wavelane was installed; install g++ and install Wavelane again"
    try:
        search_library()
    except (OSError, AttributeError) as error:
        return f"the search library cannot be used ({error}); install Wavelane again"
    return None


@functools.cache
def search_library() -> ctypes.CDLL:
    """The search library.

    Raises:
        OSError: it is not there, or was compiled from other sources than these.
        AttributeError: the same.
    """
    lib = ctypes.CDLL(str(path_of("search")))
    for name, result, arguments in (
        ("search_layout", c_int64, (c_int,)),
        ("pieces_create", c_void_p, (c_int32, BYTES, LONGS, BYTES)),
        ("pieces_destroy", None, (c_void_p,)),
        ("fusion_create", c_void_p, (c_void_p, c_int32, POINTER(Graph), c_float, c_float)),
        ("fusion_destroy", None, (c_void_p,)),
        ("fusion_most", c_int32, ()),
        ("search_create", c_void_p, (POINTER(Options), c_void_p, c_int32)),
        ("search_destroy", None, (c_void_p,)),
        ("search_view_of", None, (c_void_p, POINTER(View))),
        ("search_ctc", None, (c_int32, POINTERS, POINTERS, c_int64, INTS, BYTES)),
        ("search_slots", c_int32, (c_void_p,)),
        ("search_begin_frame", None, (c_int32, POINTERS, INTS, INTS)),
        ("search_expand", None, (c_int32, POINTERS, FLOATS, c_int64, INTS, INTS, INTS, INTS, INTS)),
        ("search_end_frame", None, (c_int32, POINTERS)),
        ("search_conclude", None, (c_void_p, c_int32)),
        ("grammar_create", c_void_p, (POINTER(Network),)),
        ("grammar_destroy", None, (c_void_p,)),
        ("grammar_search_create", c_void_p, (c_void_p, POINTER(GrammarOptions))),
        ("grammar_search_destroy", None, (c_void_p,)),
        ("grammar_search_view_of", None, (c_void_p, POINTER(View))),
        ("grammar_search_ctc", None, (c_int32, POINTERS, POINTERS, c_int64, INTS, BYTES)),
    ):
        function = getattr(lib, f"wavelane_{name}")
        function.restype = result
        function.argtypes = arguments
    structures = (Graph, Options, View, Network, GrammarOptions)
    if [lib.wavelane_search_layout(which) for which in range(len(structures))] != [*map(ctypes.sizeof, structures)]:
        raise OSError("it was compiled from other sources")
    return lib
