"""What a class or function takes, read from its source: nothing is imported, so that a typo is answered at once."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_ENTRY = re.compile(r"^    (\w+): (.*?)(?=^    \w+: |\Z)", re.MULTILINE | re.DOTALL)
_NO_FIELD = ("ClassVar", "InitVar")


@dataclass(frozen=True)
class Written:
    """How a class or function is written.

    Args:
        name: its name.
        parameters: names of what it takes, with their annotations as they are written, but for ranges and aliases:
            ``int`` for ``Annotated[int, Ge(1)]``.
        said: what its docstring says of each.
    """

    name: str
    parameters: Mapping[str, str]
    said: Mapping[str, str]


@lru_cache
def written(path: str) -> Written | None:
    """What the class or function of an import path takes; None where the source doesn't say.

    Args:
        path: as ``_target_`` has it.

    Example:
        >>> found = written("promptlab.learners.CoOp")
        >>> found.name, found.parameters["n_ctx"], found.said["csc"]
        ('CoOp', 'int | None', "class-specific contexts. They can't be moved to other classes.")
        >>> written("promptlab.learners.CoOpp") is None
        True
    """
    found = _definition(*_split(path))
    if found is None:
        return None
    module, node = found
    parameters = _parameters_of_class(module, node) if isinstance(node, ast.ClassDef) else _parameters(module, node)
    return None if parameters is None else Written(node.name, parameters, _said(ast.get_docstring(node) or ""))


def _split(path: str) -> tuple[str, str]:
    module, _, name = path.rpartition(".")
    return module, name


_Definition = ast.ClassDef | ast.FunctionDef


def _definition(module: str, name: str) -> tuple[str, _Definition] | None:
    """The module and the statement that define a name, wherever it is imported from."""
    for file in _files(module):
        for node in _tree(file).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
                return module, node
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        source = _absolute(module, file, node)
                        return None if (source, alias.name) == (module, name) else _definition(source, alias.name)
    return None


@lru_cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _absolute(module: str, file: Path, node: ast.ImportFrom) -> str:
    """The module that an import names, seen from the one that it stands in."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    package = parts[: len(parts) - node.level + (file.stem == "__init__")]
    return ".".join([*package, *([node.module] if node.module else [])])


@lru_cache
def _files(module: str) -> tuple[Path, ...]:
    """The files of a module, its stub first: a package that imports its names when they are used lists them there."""
    top, *parts = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if not spec.submodule_search_locations:
        return (Path(spec.origin),) if spec.origin and not parts else ()
    return tuple(_in_folders([Path(folder, *parts) for folder in spec.submodule_search_locations]))


def _in_folders(places: list[Path]) -> Iterator[Path]:
    for place in places:
        within = place / "__init__"
        for file in (path.with_suffix(suffix) for path in (within, place) for suffix in (".pyi", ".py")):
            if file.is_file():
                yield file


def _parameters(module: str, node: ast.FunctionDef) -> dict[str, str]:
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {one.arg: _annotation(module, one.annotation) if one.annotation else "" for one in every}


def _annotation(module: str, node: ast.expr) -> str:
    """An annotation as text, without what ``Annotated`` adds, and with what a name of a type stands for."""
    if isinstance(node, ast.BinOp):
        return f"{_annotation(module, node.left)} | {_annotation(module, node.right)}"
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Annotated" and isinstance(node.slice, ast.Tuple):
        return _annotation(module, node.slice.elts[0])
    meant = _assigned(module, node.id) if isinstance(node, ast.Name) else None
    return ast.unparse(node) if meant is None else _annotation(*meant)


def _assigned(module: str, name: str) -> tuple[str, ast.expr] | None:
    """The type that a module, or the one that it imports a name from, gives a name to."""
    for file in _files(module):
        for node in _tree(file).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return (module, node.value) if isinstance(node.value, ast.Subscript | ast.BinOp) else None
            if isinstance(node, ast.ImportFrom) and name in [alias.asname or alias.name for alias in node.names]:
                source = _absolute(module, file, node)
                return _assigned(source, name) if source != module else None
    return None


def _parameters_of_class(module: str, node: ast.ClassDef) -> dict[str, str] | None:
    """Those of its own ``__init__``, its fields as a dataclass, or those of its first base."""
    for own in node.body:
        if isinstance(own, ast.FunctionDef) and own.name == "__init__":
            return dict(list(_parameters(module, own).items())[1:])  # without self
    bases = [found for base in node.bases if (found := _definition(module, ast.unparse(base))) is not None]
    above = [_parameters_of_class(where, base) for where, base in bases if isinstance(base, ast.ClassDef)]
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        fields = {
            one.target.id: _annotation(module, one.annotation)
            for one in node.body
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        }
        inherited = {key: text for of_base in above if of_base for key, text in of_base.items()}
        return inherited | {key: text for key, text in fields.items() if not text.startswith(_NO_FIELD)}
    return above[0] if above else None


def _said(docstring: str) -> dict[str, str]:
    """The entries of the section ``Args:``, each in one line."""
    section = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", docstring, re.MULTILINE | re.DOTALL)
    if section is None:
        return {}
    return {name: " ".join(text.split()) for name, text in _ENTRY.findall(section[1])}
