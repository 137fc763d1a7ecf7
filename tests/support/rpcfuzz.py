"""Arbitrary protobuf messages for hypothesis."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from hypothesis import strategies as st

from wavelane.session.options import SessionOptions
from wavelane.spec import FeatureSpec, ModelSpec
from wavelane_server.adapters.recognition import Host

HOST = Host(
    spec=ModelSpec(
        name="m",
        features=FeatureSpec(n_mels=80),
        lookaheads=(6,),
        default_lookahead=6,
        left_context=70,
        vocabulary=(),
        heads=("ctc",),
        max_beam=16,
    ),
    defaults=SessionOptions(),
)
"""A server with an English model and beams of up to 16."""

_INTEGERS = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)
_NATURALS = (FieldDescriptor.CPPTYPE_UINT32, FieldDescriptor.CPPTYPE_UINT64)
_REALS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)


@st.composite
def messages(draw: st.DrawFn, kind: Any) -> Any:
    """Messages of a class with any of their fields set to anything."""
    return _fill(draw, kind.DESCRIPTOR, kind())


def _fill(draw: st.DrawFn, descriptor: Any, message: Any) -> Any:
    for field in draw(st.lists(st.sampled_from(list(descriptor.fields)), unique=True, max_size=6)):
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            entries = st.dictionaries(st.text(max_size=8), st.sampled_from(["true", "1", "0.5", "x", ""]), max_size=2)
            getattr(message, field.name).update(draw(entries))
        elif field.message_type is not None and field.is_repeated:
            _fill(draw, field.message_type, getattr(message, field.name).add())
        elif field.message_type is not None:
            inner = getattr(message, field.name)
            inner.SetInParent()
            _fill(draw, field.message_type, inner)
        elif field.is_repeated:
            getattr(message, field.name).append(draw(_scalar(field)))
        else:
            setattr(message, field.name, draw(_scalar(field)))
    return message


def _scalar(field: Any) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values]) | st.integers(0, 99)
    if field.cpp_type in _INTEGERS:
        return st.sampled_from([0, 1, 2, 8_000, 16_000]) | st.integers(-(2**31), 2**31 - 1)
    if field.cpp_type in _NATURALS:
        return st.integers(0, 2**31)
    if field.cpp_type in _REALS:
        return st.floats(width=32)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=16) | st.just(b"RIFF")
    return st.sampled_from(["", "en-US", "en", "default", "$MONTH"]) | st.text(max_size=12)


@st.composite
def mutated(draw: st.DrawFn, kind: Any, recorded: list[bytes]) -> Any:
    """Messages whose bytes differ from recorded ones in a few places; None where they are no message any more."""
    data = bytearray(draw(st.sampled_from(recorded)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    try:
        return kind.FromString(bytes(data))
    except DecodeError:
        return None
