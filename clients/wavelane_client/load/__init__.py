"""The load generator: many sessions of real audio at real-time pace, measured from the client's side."""
