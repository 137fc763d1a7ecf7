"""Measures the engine alone: audio from memory, no sockets, no sessions."""
