"""The benchmark datasets of CoOp: one reader, and what turns each dataset's own lists or folders into a split.

A dataset is its YAML in ``conf/dataset``: where its images may lie, its split file, and which function reads its own
lists where there is none. Facts from CoOp's DATASETS.md and ``datasets/*.py``.
"""

import lazy_loader

from promptlab.support.deprecation import moved

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = moved(__name__, __getattr__, {"Place": "promptlab.data.benchmarks:Layout"})
