"""The embedded default: a picture world, datasets drawn from it, and a tiny CLIP trained on it."""
