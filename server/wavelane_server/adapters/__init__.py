"""Wire protocols, sans-I/O."""
