"""Bytes to windows of mono samples: decoding, channels, resampling, framing. No I/O, no threads, no torch."""
