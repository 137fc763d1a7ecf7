"""The Wyoming protocol of Home Assistant's voice services: events over TCP, audio in, transcripts out."""

from wavelane_server.adapters.wyoming.adapter import WyomingAdapter
from wavelane_server.adapters.wyoming.events import Event, Header, encode, parse_header, with_body

__all__ = ["Event", "Header", "WyomingAdapter", "encode", "parse_header", "with_body"]
