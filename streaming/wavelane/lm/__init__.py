"""Language models and hotwords: n-grams and phrases as graphs with back-off arcs, free of torch."""
