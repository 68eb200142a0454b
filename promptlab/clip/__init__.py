"""The frozen backbone: loading, image and text encoding, the exact text tower."""

import lazy_loader

from promptlab.support.deprecation import moved

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = moved(__name__, __getattr__, {"ClassPrompts": "promptlab.prompts"})
