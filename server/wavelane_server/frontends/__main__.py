"""``python -m wavelane_server.frontends FD``: a process of the supervisor's, told through FD what it is."""

import signal
import sys

# A terminal's Ctrl-C and an init system's SIGTERM go to all processes; what they mean is the supervisor's business.
for name in (signal.SIGINT, signal.SIGTERM):
    signal.signal(name, signal.SIG_IGN)

from wavelane_server.frontends.children import run  # noqa: E402 - only now

sys.exit(run(int(sys.argv[1])))
