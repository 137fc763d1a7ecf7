"""``python -m wavelane_server`` is ``wavelane``."""

from wavelane_server.cli import main

main()
