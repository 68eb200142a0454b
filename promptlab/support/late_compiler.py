"""torch's compiler is imported by who compiles.

Every optimiser of torch imports it (``torch._dynamo``, with sympy, triton and torch.distributed: two seconds) at its
first step to say what must not be traced, and Lightning to ask whether a model is compiled. As long as nobody has
imported it nothing is traced and nothing compiled, so the answers are known: until somebody asks for anything else, a
stand-in gives them. ``torch.compile``, or an import of any of its parts, brings the compiler itself, which is then told
what it would have been told.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from threading import Lock
from types import FunctionType, ModuleType
from typing import Any

COMPILER = "torch._dynamo"


def put_off_compiler() -> None:
    """Have the compiler of torch, which is imported, wait until it is used; safe to repeat."""
    import torch

    if COMPILER in sys.modules:
        return
    stand_in = _Compiler(PathFinder.find_spec(COMPILER, torch.__path__))
    sys.modules[COMPILER] = stand_in
    torch._dynamo = stand_in
    sys.meta_path.insert(0, _Parts(stand_in))


class _Compiler(ModuleType):
    """Stands in the compiler's place: knows the answers that don't need it, and brings it for any other.

    Args:
        spec: where the compiler is.
    """

    def __init__(self, spec: ModuleSpec | None) -> None:
        super().__init__(COMPILER)
        self.__spec__, self.__path__ = spec, []
        self._told: list[Callable[[], None]] = []
        self._lock = Lock()
        self.OptimizedModule = _Compiled("OptimizedModule", (), {"compiler": self})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # questions about this module, such as those of Python's import machinery
            raise AttributeError(name)
        return getattr(self._real(), name)

    def graph_break(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: there is no graph."""

    def disable(self, function: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The function as it is, until the compiler comes and is told not to trace it."""
        if function is None:
            return lambda function: self.disable(function, *args, **kwargs)
        if not isinstance(function, FunctionType):
            return self._real().disable(function, *args, **kwargs)
        called: Callable[..., Any] = function

        @wraps(function)
        def untraced(*own: Any, **named: Any) -> Any:
            return called(*own, **named)

        def tell() -> None:
            nonlocal called
            called = self._real().disable(function, *args, **kwargs)
            vars(untraced).update(vars(called))  # by which the compiler knows it

        self._told.append(tell)
        return untraced

    def _waits(self) -> bool:
        return sys.modules.get(COMPILER) is self

    def _real(self) -> ModuleType:
        """The compiler itself, also for who holds this."""
        with self._lock:
            told, self._told = self._told, []
            if self._waits():
                del sys.modules[COMPILER]
        real = import_module(COMPILER)
        self.__dict__.update(vars(real))
        for tell in told:
            tell()
        return real


class _Compiled(type):
    """The class of compiled models, of which there is none before the compiler."""

    compiler: _Compiler

    def __instancecheck__(cls, instance: object) -> bool:
        return not cls.compiler._waits() and isinstance(instance, cls.compiler._real().OptimizedModule)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return not cls.compiler._waits() and issubclass(subclass, cls.compiler._real().OptimizedModule)


class _Parts(MetaPathFinder, Loader):
    """Finds the compiler's parts by importing it whole."""

    def __init__(self, compiler: _Compiler) -> None:
        self._compiler = compiler

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        whole = self._compiler.__spec__
        if whole is None or not (fullname.startswith(f"{COMPILER}.") and self._compiler._waits()):
            return None
        is_there = PathFinder.find_spec(fullname, whole.submodule_search_locations) is not None
        return ModuleSpec(fullname, self) if is_there else None

    def exec_module(self, module: ModuleType) -> None:
        """Have the part that comes with the compiler in the new module's place."""
        del sys.modules[module.__name__]
        self._compiler._real()
        import_module(module.__name__)
