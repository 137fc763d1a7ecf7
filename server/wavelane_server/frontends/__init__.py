"""Several processes behind one port: front ends hold the sessions, one engine process steps the model.

A supervisor starts them, starts anew what dies, and tells them to drain. Front ends listen on the same ports
(SO_REUSEPORT: the kernel spreads connections over them) and reach the engine through a Unix socket.
"""
