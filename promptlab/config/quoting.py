"""Values of a command line that Hydra's grammar would read as something else, or not at all.

A folder may be called ``pics a=b``, ``Fotos (1)`` or ``2024``. Where a path or a name is meant, the text is the value;
elsewhere it is where the grammar can't make anything of it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from promptlab.config.groups import annotation_of, choices
from promptlab.config.schema import OPEN_GROUPS
from promptlab.config.settings import ConfigError
from promptlab.support.words import printable

_TEXTS = ("results", "data.root")
_TEXT = {"str", "Path", "None", "os.PathLike[str]", "StrPath"}


def quoted(text: str) -> str:
    r"""A text as Hydra's grammar takes it, whatever is in it.

    Example:
        >>> quoted("my data, and others'")
        "'my data, and others\\''"
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def readable(override: str, folders: Sequence[Path] = (), *, sweeps: bool = False) -> str:
    """An override as the grammar reads it, its value quoted where it is meant as text.

    Args:
        override: a word of the command line, its key as promptlab's configuration has it.
        folders: configuration folders besides promptlab's own.
        sweeps: whether commas part several values.

    Raises:
        ConfigError: for what is no override, with how it is quoted.

    Example:
        >>> readable("++dataset.path=Fotos (1)"), readable("seed=1,2"), readable("results=2024")
        ("++dataset.path='Fotos (1)'", 'seed=1,2', "results='2024'")
    """
    if printable(override) != override:
        raise ConfigError(_no_text(override))
    key, sign, value = override.partition("=")
    parsed = _parsed(override)
    if not sign or not key.strip("+~ ") or _parsed(f"{key}=x") is None:
        if parsed is None or not key:
            raise ConfigError(f"{shlex.quote(override.lstrip('+'))} can't be read: an override is KEY=VALUE, and a key "
                              "is made of letters, digits, _ and dots")  # fmt: skip
        return override
    odd = parsed is None or value != value.strip() or _is_other_than_text(parsed, sweeps)
    if not odd or (parsed is not None and not _takes_text(key, folders)):
        return override
    if value.startswith(("[", "{")) and not _takes_text(key, folders):
        raise ConfigError(_how_to_quote(key.lstrip("+"), value))
    if sweeps and "," in value:
        return f"{key}={','.join(_one(key, part) for part in value.split(','))}"
    return f"{key}={quoted(value)}"


def as_typed(override: str, folders: Sequence[Path] = ()) -> str:
    """An override without the quotes that :func:`readable` would put around its value again.

    Example:
        >>> as_typed("results='r[1]'"), as_typed("learner.ctx_init='5'")
        ('results=r[1]', 'learner.ctx_init=5')
    """
    parsed = _parsed(override)
    key, _, value = override.partition("=")
    if parsed is None or not value.startswith("'") or not isinstance(parsed.value(), str):
        return override
    plain = f"{key}={parsed.value()}"
    return plain if readable(plain, folders) == override else override


def _one(key: str, value: str) -> str:
    """One of the values of a sweep over texts."""
    parsed = _parsed(f"{key}={value}")
    return value if parsed is not None and not _is_other_than_text(parsed, False) else quoted(value)


def _parsed(override: str) -> Override | None:
    try:
        return OverridesParser.create().parse_override(override)
    except HydraException:
        return None


def _is_other_than_text(parsed: Override, sweeps: bool) -> bool:
    """Whether the grammar makes a number, a list, a sweep or the like of a value."""
    if parsed.is_sweep_override():
        return not sweeps or any(
            isinstance(element, bool | int | float) for element in getattr(parsed.value(), "list", ())
        )
    value, written = parsed.value(), (parsed.input_line or "").partition("=")[2]
    if isinstance(value, str) and not set(written) & set("\\'\"$"):
        return value != written  # a function of the grammar's, such as sort(b,a)
    return value is not None and not isinstance(value, str)


def _takes_text(key: str, folders: Sequence[Path]) -> bool:
    """Whether a key of the configuration holds a path, a name or another text, and nothing else."""
    key = key.lstrip("+~")
    if key in _TEXTS:
        return True
    group, _, rest = key.partition(".")
    if group not in OPEN_GROUPS or not rest:
        return False
    if rest == "name":
        return True
    known = False
    for node in choices(group, folders).values():
        text = annotation_of(node, rest.split("."))
        if text is not None and not {part.strip() for part in text.split("|")} <= _TEXT:
            return False  # at the first that says so: each is a source to be parsed
        known |= text is not None
    return known


def _no_text(override: str) -> str:
    key, sign, value = printable(override.lstrip("+")).partition("=")
    return (
        f"{key}{sign}{value}: bytes that are no UTF-8 have no place on a command line or in a Result: rename what is "
        f"called so, or give it another name beside its own: ln -s $'{value or key}' NAME"
    )


def _how_to_quote(key: str, value: str) -> str:
    inside = value.strip()[1:].removesuffix("]")
    words = ",".join(quoted(part.strip().strip("'\"")) for part in inside.split(","))
    whole = f"{key}=[{words}]"
    example = f": promptlab {shlex.quote(whole)}" if value[0] == "[" else ""
    return f"{key}={value} can't be read as a list or table; texts in it stand in quotes of their own{example}"
