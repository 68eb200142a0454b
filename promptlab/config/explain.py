"""What Hydra and OmegaConf say of a mistake, in one line with what is allowed."""

from __future__ import annotations

import re

from promptlab.config.schema import Config, DataConfig
from promptlab.support.distribution import DISTRIBUTION
from promptlab.support.words import suggest

EXTRAS = {"joblib": "sweep", "loky": "sweep"}
"""What a choice of Hydra's needs that is an extra of ours."""


def explain(error: Exception) -> str:
    """One line for a person: the key, what is wrong, what is allowed."""
    text = f"{error}\n{error.__cause__ or ''}"
    for reader in (_unknown_choice, _unknown_key, _wrong_type, _not_null):
        found = reader(text)
        if found is not None:
            return found
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())


def explain_reference(error: Exception) -> str:
    """One line for a person about a ``${...}`` that nothing can be put in for."""
    text = str(error)
    where = re.search(r"full_key: (\S+)", text)
    missing = re.search(r"Interpolation key '([^']+)' not found", text)
    said = f"there is no key {missing[1]}" if missing else text.splitlines()[0] if text else type(error).__name__
    what = f"${{{missing[1]}}}" if missing else "a reference"
    return f"{what} can't be put in{f' for {where[1]}' if where else ''}: {said}"


def _unknown_choice(text: str) -> str | None:
    group = re.search(r"Could not find '((?:hydra/)?[^'/]*)/([^']*)'", text)
    if group is None:
        return None
    options = re.search(r"Available options in '[^']+':\s*(.*?)(?:\n\s*Config search path|$)", text, re.DOTALL)
    allowed = options.group(1).split() if options else []
    name, choice = group.groups()
    if choice in EXTRAS:
        return f'{name}={choice} needs an extra: pip install "{DISTRIBUTION}[{EXTRAS[choice]}]"'
    return f"unknown {name} {choice}{suggest(choice, allowed)}; allowed are {', '.join(allowed)}"


def _unknown_key(text: str) -> str | None:
    unknown = re.search(r"Could not override '([^']+)'", text)
    if unknown is None:
        return None
    key = unknown.group(1)
    if key.startswith("learner@learner.inner"):
        return "inner=NAME chooses the learner inside another: it needs a learner around others, such as learner=ship"
    parent, _, leaf = key.rpartition(".")
    allowed = list((DataConfig if parent == "data" else Config).__dataclass_fields__)
    return f"unknown key {key}{suggest(leaf, allowed)}; allowed are {', '.join(allowed)}"


def _wrong_type(text: str) -> str | None:
    wrong = re.search(r"Value '([^']*)'.* could not be converted to (\w+)", text)
    if wrong is None:
        return None
    key = re.search(r"full_key: (\S+)", text)
    return f"{key.group(1) if key else 'a key'}={wrong.group(1)}: {wrong.group(2).lower()} is needed"


def _not_null(text: str) -> str | None:
    wrong = re.search(r"field '(\w+)' is not Optional", text)
    return None if wrong is None else f"{wrong.group(1)}=null: a value is needed"
