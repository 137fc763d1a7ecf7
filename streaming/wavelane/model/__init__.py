"""Models: checkpoints in, encoder frames out."""
