"""A learner as a folder: card and tensors, written, read, and out of other people's checkpoints."""
