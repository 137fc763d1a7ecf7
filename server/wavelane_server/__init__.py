"""The Wavelane server: sockets, protocols and the command line over the engine of ``wavelane``."""
