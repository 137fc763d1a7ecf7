"""NVIDIA Riva's speech recognition, as its clients speak it. Needs the extra ``riva``."""
