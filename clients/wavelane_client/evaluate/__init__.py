"""How well a running server recognises recorded speech, measured through its socket: ``wavelane eval``."""
