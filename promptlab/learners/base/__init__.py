"""The contract of a learner: what a method derives from, its stages, its optimiser, and the tests that all pass."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
