"""What libraries import for uses that few ask of them is imported once somebody asks.

open_clip imports transformers and timm whole for towers that most models don't have, torchmetrics (with Lightning)
transformers, matplotlib and scipy for texts, charts and sounds, torchvision all its models. While such a library is
imported, the others stand there as stand-ins; what is taken from them imports the real thing when it is called, looked
into, compared with or derived from. So the library works as it always does, also for other code of the process. A
package that was imported before is left alone: ``import transformers`` before ``import promptlab`` puts nothing off.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from operator import attrgetter
from types import FunctionType, ModuleType
from typing import Any

from promptlab.support.late_compiler import put_off_compiler

DEFERRED = {
    "lightning": ("torch.utils.flop_counter",),
    "open_clip": ("timm", "torchvision.ops", "transformers"),
    "torch": (),  # its compiler waits longer: see late_compiler
    "torchmetrics": ("matplotlib", "scipy", "torchvision.models", "torchvision.ops", "transformers"),
    "torchvision": ("torchvision.datasets", "torchvision.models", "torchvision.ops"),
}
"""Libraries, and what they import of others without needing it at once."""


class _Later:
    """Something of a module that is imported when this is used.

    Args:
        module: the module's name.
        find: what it is, of the module.
    """

    def __init__(self, module: str, find: Callable[[Any], Any]) -> None:
        self._module, self._find = module, find

    def _real(self) -> Any:
        return self._find(_stand_ins.real(self._module))

    def __getattr__(self, name: str) -> Any:
        if not _stand_ins.stands_in(self._module):
            return getattr(self._real(), name)
        if name.startswith("__"):  # questions of Python's own, such as whether this is a type's variable
            raise AttributeError(name)
        return _Later(self._module, lambda module: getattr(self._find(module), name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not _stand_ins.stands_in(self._module):
            return self._real()(*args, **kwargs)
        if args and isinstance(args[0], FunctionType):  # a decorator gives a function, which can be a method
            return wraps(args[0])(lambda *own, **named: self._real()(*args, **kwargs)(*own, **named))
        return _Later(self._module, lambda module: self._find(module)(*args, **kwargs))

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._real())

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, self._real())

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (self._real(),)


class _StandIns(MetaPathFinder, Loader):
    """Gives stand-ins for the packages that are put off at the moment; asked before all other finders."""

    def __init__(self) -> None:
        self._packages: list[str] = []

    def stands_in(self, name: str) -> bool:
        """Whether a module is put off at the moment."""
        return any(f"{name}.".startswith(f"{package}.") for package in self._packages)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_loader(fullname, self, is_package=True) if self.stands_in(fullname) else None

    def exec_module(self, module: ModuleType) -> None:
        def find(name: str) -> Any:
            if name.startswith("__"):  # the import machinery's questions are about this module
                raise AttributeError(name)
            later = _Later(module.__name__, attrgetter(name))
            return later if self.stands_in(module.__name__) else later._real()

        module.__dict__["__getattr__"] = find

    def real(self, name: str) -> ModuleType:
        """The module itself; its package is put off no longer."""
        self._end([package for package in self._packages if f"{name}.".startswith(f"{package}.")])
        return import_module(name)

    @contextmanager
    def of(self, packages: Sequence[str]) -> Iterator[None]:
        """Put packages off while the block runs: those that are installed, and not imported yet."""
        new = [name for name in packages if name not in sys.modules and not self.stands_in(name)]
        there = [name for name in new if PathFinder.find_spec(name.partition(".")[0])]
        self._packages += there
        try:
            yield
        finally:
            self._end(there)

    def _end(self, packages: Sequence[str]) -> None:
        self._packages = [package for package in self._packages if package not in packages]
        ended = [name for name, module in sys.modules.items() if getattr(module, "__loader__", None) is self]
        for name in ended:
            if not self.stands_in(name):
                del sys.modules[name]


class _Libraries(MetaPathFinder):
    """Finds the libraries of :data:`DEFERRED` where they are, and has them loaded beside stand-ins."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in DEFERRED else None
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = _beside_stand_ins(spec.loader)  # type: ignore[method-assign]
        return spec


def _beside_stand_ins(loader: Loader) -> Any:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        with _stand_ins.of(DEFERRED[module.__name__]):
            execute(module)
        if module.__name__ == "torch":
            put_off_compiler()

    return exec_module


_stand_ins = _StandIns()


def defer_imports() -> None:
    """Have libraries that are imported from here on put off what they need for few uses; safe to repeat."""
    if _stand_ins not in sys.meta_path:
        sys.meta_path[:0] = [_stand_ins, _Libraries()]
    if "torch" in sys.modules:
        put_off_compiler()
