"""Prompts with learned vectors: cut for the text tower, where they start, and the words they are near."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
