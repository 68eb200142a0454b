"""The embedded default: a picture world, datasets drawn from it, and a tiny CLIP trained on it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
