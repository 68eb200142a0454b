"""The benchmark datasets of CoOp: one reader, and what turns each dataset's own lists or folders into a split.

A dataset is its YAML in ``conf/dataset``: where its images may lie, its split file, and which function reads its own
lists where there is none. Facts from CoOp's DATASETS.md and ``datasets/*.py``.
"""

from promptlab.data.benchmarks.place import Place
from promptlab.data.benchmarks.reader import read_benchmark

__all__ = ["Place", "read_benchmark"]
