"""Command lines that nobody means: real keys with values of every wrong kind, as Hypothesis draws them."""

from __future__ import annotations

from functools import cache

import yaml
from hypothesis import strategies as st

from promptlab.config.choices import target_of
from promptlab.support.paths import conf_dir
from promptlab.support.signatures import signature_of

NUMBERS = ["-1", "0", "1", "2.5", "-0.5", "1e10", "1e18", "1e300", "1e400", "-1e-9", "9" * 20, "0x10", "007"]
ODD = ["nan", "inf", "-inf", ".nan", ".inf", "null", "true", "false", "''", "' '", "~", "???", "word", "a b", "None"]
LISTS = ["[]", "[1]", "[-1,2]", "[0.5,0.1]", "[1,2,3]", "[[1],[2]]", "[5,null]", "[a,b]", "['{} and {}']", "[nan,inf]"]
MAPPINGS = ["{}", "{a:1}", "{a:[b]}", "{1:2}", "{_target_:builtins.dict}", "{_target_:os.nothing}", "{_target_:5}"]
TEXTS = ["'{}'", "'{} and {}'", "'a photo of a {name}'", "'}{'", "é", "日本", "'🦆'", "../x", "/nowhere/at/all", "a=b"]
REFERENCES = ["${nope}", "${shots}", "${learner}", "${oc.env:NOT_SET}", "${by:x,{}}", "'${'", "${now:%Y}", "\\", "$"]
VALUES = [*NUMBERS, *ODD, *LISTS, *MAPPINGS, *TEXTS, *REFERENCES]
GROUPS = ("backbone", "dataset", "protocol", "learner")
TOP = (
    "shots",
    "seed",
    "views",
    "crop_scale",
    "val",
    "select",
    "ckpt_every_s",
    "results",
    "force",
    "data.root",
    "shotz",
)


def choices_of(group: str) -> list[str]:
    """The names of a group."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


@cache
def keys_of(group: str, choice: str) -> tuple[str, ...]:
    """Every key that a choice of a group takes, those of its optimisers too, and a few that it doesn't."""
    node = yaml.safe_load((conf_dir() / group / f"{choice}.yaml").read_text(encoding="utf-8"))
    return tuple(_keys(group, node)) if "_target_" in node else (f"{group}.name",)


def _keys(where: str, node: dict) -> list[str]:
    names = list(signature_of(target_of(node, where)))
    keys = [f"{where}.{name}" for name in [*names, "name", "_target_", "nonsense"]]
    for name in names:
        inner = node.get(name)
        keys += _keys(f"{where}.{name}", inner) if isinstance(inner, dict) and "_target_" in inner else []
    return keys


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A choice of a learner and perhaps of another group, one or two keys set to anything, and perhaps a slip."""
    chosen = {"learner": draw(st.sampled_from(choices_of("learner")))}
    if draw(st.booleans()):
        group = draw(st.sampled_from(GROUPS))
        chosen[group] = draw(st.sampled_from(choices_of(group)))
    keys = [*TOP, *GROUPS, *(key for group, choice in chosen.items() for key in keys_of(group, choice))]
    if chosen["learner"] == "ship":
        keys += [key.replace("learner.", "inner.", 1) for key in keys_of("learner", "coop")]
    values = st.one_of(st.sampled_from(VALUES), st.text(st.characters(codec="utf-8"), max_size=6))
    pairs = draw(st.lists(st.tuples(st.sampled_from(keys), values), min_size=1, max_size=2))
    line = [f"{group}={choice}" for group, choice in chosen.items()] + [f"{key}={value}" for key, value in pairs]
    key = line[-1].split("=")[0]
    return line + draw(st.sampled_from([[], [], [], [], [], [line[-1]], [key], [f"+{line[-1]}"], [f"~{key}"]]))
