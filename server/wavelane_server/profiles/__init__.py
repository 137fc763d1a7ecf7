"""Personal vocabulary: names, places and corrections that belong to one user's sessions."""
