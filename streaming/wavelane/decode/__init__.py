"""Decoders: encoder frames to pieces (CTC, RNN-T), pieces to words. ``words`` is free of torch."""
