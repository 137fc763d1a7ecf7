"""Google Cloud Speech v1, as its clients speak it. Needs the extra ``google``."""
