"""AssemblyAI's streaming protocol, version 3."""
