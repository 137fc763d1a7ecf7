"""Voice activity detection: detectors that judge frames, and the segmenter that turns judgements into speech."""
