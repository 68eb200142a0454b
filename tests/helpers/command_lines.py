"""Command lines that nobody means: real keys with values of every wrong kind, as Hypothesis draws them."""

from __future__ import annotations

from functools import cache

import yaml
from hypothesis import strategies as st

from promptlab.config.choices import target_of
from promptlab.config.settings import Settings
from promptlab.support.paths import conf_dir
from promptlab.support.signatures import signature_of

NUMBERS = "-1 0 1 2.5 -0.5 1e10 1e18 1e300 1e400 -1e-9 99999999999999999999 0x10 007".split()
ODD = ["nan", "inf", "-inf", ".nan", ".inf", "null", "true", "false", "''", "' '", "~", "???", "word", "a b", "None"]
LISTS = "[] [1] [-1,2] [0.5,0.1] [1,2,3] [[1],[2]] [5,null] [a,b] ['{}_{}'] [nan,inf]".split()
MAPPINGS = "{} {a:1} {a:[b]} {1:2} {_target_:builtins.dict} {_target_:os.nothing} {_target_:5}".split()
TEXTS = ["'{}'", "'{} and {}'", "'a photo of a {name}'", "'}{'", "é", "日本", "'🦆'", "../x", "/nowhere/at/all", "a=b"]
REFERENCES = ["${nope}", "${shots}", "${learner}", "${oc.env:NOT_SET}", "${by:x,{}}", "'${'", "${now:%Y}", "\\", "$"]
VALUES = [*NUMBERS, *ODD, *LISTS, *MAPPINGS, *TEXTS, *REFERENCES]
GROUPS = ("backbone", "dataset", "protocol", "learner")
TOP = tuple(signature_of(Settings))


@cache
def keys_of(group: str, choice: str) -> tuple[str, ...]:
    """Every key that a choice of a group takes, those of its optimisers too."""
    node = yaml.safe_load((conf_dir() / group / f"{choice}.yaml").read_text(encoding="utf-8"))
    if "_target_" not in node:
        return (f"{group}.name",)
    return tuple(_keys(group, node))


def _keys(where: str, node: dict) -> list[str]:
    names = [
        name for name, p in signature_of(target_of(node, where)).items() if p.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    keys = [f"{where}.{name}" for name in [*names, "name", "_target_", "nonsense"]]
    for name in names:
        inner = node.get(name) if isinstance(node.get(name), dict) else {}
        keys += _keys(f"{where}.{name}", inner) if "_target_" in inner else []
    return keys


def choices_of(group: str) -> list[str]:
    """The names of a group."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A choice of a group or two, and one to three keys set to anything."""
    chosen = {"learner": draw(st.sampled_from(choices_of("learner")))}
    if draw(st.booleans()):
        group = draw(st.sampled_from(GROUPS))
        chosen[group] = draw(st.sampled_from(choices_of(group)))
    keys = [*TOP, "data.root", "trainer.max_time", "experiment", *(k for g, c in chosen.items() for k in keys_of(g, c))]
    if chosen["learner"].startswith("ship"):
        keys += [key.replace("learner.", "learner.inner.", 1) for key in keys_of("learner", "coop")] + ["inner"]
    values = st.one_of(st.sampled_from(VALUES), st.text(max_size=6))
    pairs = draw(st.lists(st.tuples(st.sampled_from(keys), values), min_size=1, max_size=3))
    line = [f"{group}={choice}" for group, choice in chosen.items()] + [f"{key}={value}" for key, value in pairs]
    slip = draw(st.sampled_from(["", "", "", "", "", "twice", "bare", "plus", "minus"]))
    last = line[-1]
    extra = {"twice": [last], "bare": [last.split("=")[0]], "plus": [f"+{last}"], "minus": [f"~{last.split('=')[0]}"]}
    return line + extra.get(slip, [])
