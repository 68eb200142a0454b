"""Learners: one file, or one folder, each.

Names are imported when first used: a run imports the methods that it names.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
