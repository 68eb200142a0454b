"""promptlab: adapt a frozen CLIP with a handful of labelled images by learning its prompts.

Names are imported when first used, and listed once, in ``__init__.pyi``: ``import promptlab`` itself imports neither
torch nor Hydra.
"""

import lazy_loader

from promptlab.support import distribution as _distribution
from promptlab.support.deferred_imports import defer_imports as _defer_imports
from promptlab.support.deprecation import find_moved_modules as _find_moved_modules
from promptlab.support.version import __version__ as __version__

_DISTRIBUTION = _distribution.DISTRIBUTION
_distribution.check_installed()
_find_moved_modules()
_defer_imports()
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
