"""Studies: whole sweeps by one word, ``study=coop_few_shot``, as the files of ``conf/study`` have them.

A study stands for words of a command line, and becomes those words before anything else reads them. So whatever counts
a sweep's runs, writes them down, repeats one or goes on with them needs to know of no studies, and a run of a study is
the same run, with the same id, as one that was asked for by itself. The words of the command line come after the
study's and take their place: ``study=coop_few_shot shots=1,16 dataset=eurosat``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from promptlab.config.groups import as_word, choices
from promptlab.support.errors import UsageError
from promptlab.support.words import counted, suggest

GROUP = "study"


@dataclass(frozen=True)
class Study:
    """A sweep by name.

    Args:
        name: of its file.
        sweep: key of the configuration to its values, in the order of the command line.
        targets: datasets that are scored besides those of ``dataset``.
    """

    name: str
    sweep: Mapping[str, tuple[str, ...]]
    targets: tuple[str, ...] = ()

    @property
    def runs(self) -> int:
        """How many runs it has."""
        return prod(len(values) for values in self.sweep.values())

    @property
    def words(self) -> list[str]:
        """What it is short for, without ``promptlab -m``."""
        return [f"{key}={','.join(values)}" for key, values in self.sweep.items()]

    @property
    def datasets(self) -> list[str]:
        """Those that it trains on and scores."""
        return list(dict.fromkeys([*self.sweep.get("dataset", ()), *self.targets]))

    def size(self) -> str:
        """Its runs, and the grid that they are.

        Example:
            >>> study("coop_few_shot").size()
            '165 runs: 11 datasets x 5 shots x 3 seeds'
        """
        parts = [_several(len(values), key) for key, values in self.sweep.items() if len(values) > 1]
        return f"{counted(self.runs, 'run')}{': ' if parts else ''}{' x '.join(parts)}"

    def images(self, folders: Sequence[Path] = ()) -> int | None:
        """How many images its datasets hold together; None where one's file doesn't say.

        Args:
            folders: configuration folders besides promptlab's own.

        Example:
            >>> study("kgcoop_domain_generalization").images()
            1429556
        """
        known = choices("dataset", folders)
        told = [(known.get(name, {}).get("about") or {}).get("images") for name in self.datasets]
        counts = [number for number in told if isinstance(number, int)]
        return sum(counts) if counts and len(counts) == len(told) else None


def study(name: str, folders: Sequence[Path] = ()) -> Study:
    """A study by name.

    Args:
        name: of a file in ``conf/study``.
        folders: configuration folders besides promptlab's own.

    Raises:
        UsageError: if there is none of that name, or its file holds no sweep.

    Example:
        >>> study("ship_generalized_zero_shot").words
        ['experiment=ship_generalized_zero_shot', 'dataset=cub,awa2,flo', 'seed=1']
    """
    known = choices(GROUP, folders)
    if name not in known:
        raise UsageError(f"unknown study {name}{suggest(name, known)}; allowed are {', '.join(known)}")
    node = known[name]
    sweep = node.get("sweep")
    if not isinstance(sweep, dict) or not sweep:
        raise UsageError(f"study={name}: its file has no table `sweep` of keys and values, such as `seed: [1, 2, 3]`")
    values = {
        str(key): tuple(map(as_word, value if isinstance(value, list) else [value])) for key, value in sweep.items()
    }
    return Study(name, values, tuple((node.get("about") or {}).get("targets", ())))


def expanded(words: Sequence[str], folders: Sequence[Path] = (), *, sweeps: bool) -> list[str]:
    """The words of a command line with a study's in the place of its name, before those that were given.

    Args:
        words: overrides as they were typed.
        folders: configuration folders besides promptlab's own.
        sweeps: whether the command line asks for a sweep.

    Raises:
        UsageError: for an unknown study, several, or a study that isn't swept over.

    Example:
        >>> expanded(["study=ship_generalized_zero_shot", "dataset=cub"], sweeps=True)
        ['experiment=ship_generalized_zero_shot', 'seed=1', 'dataset=cub']
    """
    name, given = named_study(words), [word for word in words if not word.startswith(f"{GROUP}=")]
    if not name:
        return given
    if "," in name:
        raise UsageError(f"{GROUP}={name}: one at a time; results of several meet in one folder anyhow")
    chosen = study(name, folders)
    if not sweeps:
        raise UsageError(f"{GROUP}={chosen.name} is a sweep of {chosen.size()}: add -m; one of its runs alone is "
                          f"{_one_of(chosen)}")  # fmt: skip
    set_already = {word.partition("=")[0].lstrip("+") for word in given}
    return [*(word for word in chosen.words if word.partition("=")[0] not in set_already), *given]


def named_study(words: Sequence[str]) -> str:
    """The study that a command line names; nothing where it names none.

    Example:
        >>> named_study(["-m", "study=coop_few_shot", "seed=1"]), named_study(["study=null"])
        ('coop_few_shot', '')
    """
    named = [word.partition("=")[2].strip() for word in words if word.startswith(f"{GROUP}=")]
    return named[-1] if named and named[-1] != "null" else ""


def _several(number: int, key: str) -> str:
    """``11 datasets``, ``5 shots``, ``2 values of learner.n_ctx``."""
    return f"{number} values of {key}" if "." in key else f"{number} {key.removesuffix('s')}s"


def _one_of(chosen: Study) -> str:
    return " ".join(["promptlab", *(f"{key}={values[0]}" for key, values in chosen.sweep.items())])
