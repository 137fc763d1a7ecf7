"""Generated code of the protocol definitions in ``protos/``."""
