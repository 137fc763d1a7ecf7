"""Training of streaming FastConformer models: speech without people, augmentation, training, export, evaluation."""
