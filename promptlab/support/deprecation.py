"""Names that moved to another package, still found where they were, with a warning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any

_PATHS = {
    "promptlab.data.array_files": "promptlab.data.readers.arrays",
    "promptlab.data.benchmarks.folders": "promptlab.data.benchmarks",
    "promptlab.data.benchmarks.imagenet": "promptlab.data.benchmarks",
    "promptlab.data.benchmarks.mat_lists": "promptlab.data.benchmarks",
    "promptlab.data.benchmarks.reader": "promptlab.data.benchmarks",
    "promptlab.data.benchmarks.text_lists": "promptlab.data.benchmarks",
    "promptlab.data.feature_files": "promptlab.data",
    "promptlab.data.huggingface": "promptlab.data",
    "promptlab.data.images": "promptlab.data",
    "promptlab.data.own_folder": "promptlab.data",
    "promptlab.data.own_lists": "promptlab.data",
    "promptlab.data.readers.read_coop_split": "promptlab.data.read_coop_split",
    "promptlab.data.xlsa17": "promptlab.data",
    "promptlab.clip.loading": "promptlab.clip",
    "promptlab.training.Optim": "promptlab.learners.Optim",
    "promptlab.training.optim": "promptlab.learners",
}
"""Modules and names that configurations and cards may still name, and where they are now."""


def current_path(path: str) -> str:
    """Where something is now that a configuration or a card names by an import path of an earlier version."""
    if path in _PATHS:
        return _PATHS[path]
    module, _, name = path.rpartition(".")
    return f"{_PATHS[module]}.{name}" if module in _PATHS else path


def moved(package: str, getter: Callable[[str], Any], homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's ``__getattr__`` that also finds what moved away.

    Args:
        package: where the names were.
        getter: the package's own ``__getattr__``.
        homes: name to the package that offers it now, with ``:NAME`` where it has another name there.

    Returns:
        A function for ``__getattr__``; a moved name gives a DeprecationWarning.
    """

    def find(name: str) -> Any:
        if name not in homes:
            return getter(name)
        home, _, renamed = homes[name].partition(":")
        warnings.warn(f"{package}.{name} is now {home}.{renamed or name}", DeprecationWarning, stacklevel=2)
        return getattr(import_module(home), renamed or name)

    return find


class _MovedModules(MetaPathFinder, Loader):
    """Imports modules of earlier versions as what offers their names now; asked after everything that is there."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname in _PATHS else None

    def exec_module(self, module: ModuleType) -> None:
        home = _PATHS[module.__name__]
        warnings.warn(f"what {module.__name__} held is now in {home}", DeprecationWarning, stacklevel=2)

        def find(name: str) -> Any:
            if name.startswith("__"):  # the import machinery's questions are about this module
                raise AttributeError(name)
            return getattr(import_module(home), name)

        module.__dict__["__getattr__"] = find


def find_moved_modules() -> None:
    """Let modules of earlier versions be imported, with a warning; safe to repeat."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())
