"""Wavelane: live speech recognition for many sessions at once."""

__version__ = "0.1.0"
