"""Command lines that nobody means: real keys with values of every wrong kind, as Hypothesis draws them."""

from __future__ import annotations

from functools import cache

import yaml
from hypothesis import strategies as st

from promptlab.config.choices import imported_target
from promptlab.support.paths import conf_dir
from promptlab.support.signatures import signature_of

NUMBERS = ["-1", "0", "1", "2.5", "-0.5", "1e10", "1e18", "1e300", "1e400", "-1e-9", "9" * 20, "0x10", "007"]
ODD = ["nan", "inf", "-inf", ".nan", ".inf", "null", "true", "false", "''", "' '", "~", "???", "word", "a b", "None"]
LISTS = ["[]", "[1]", "[-1,2]", "[0.5,0.1]", "[1,2,3]", "[[1],[2]]", "[5,null]", "[a,b]", "['{} and {}']", "[nan,inf]"]
MAPPINGS = ["{}", "{a:1}", "{a:[b]}", "{1:2}", "{_target_:builtins.dict}", "{_target_:os.nothing}", "{_target_:5}"]
TEXTS = ["'{}'", "'{} and {}'", "'a photo of a {name}'", "'}{'", "é", "日本", "'🦆'", "../x", "/nowhere/at/all", "a=b"]
REFERENCES = ["${nope}", "${shots}", "${learner}", "${oc.env:NOT_SET}", "${by:x,{}}", "'${'", "${now:%Y}", "\\", "$"]
HARD = [
    *("", " ", "x" * 100_000, "9" * 5_000, "[" * 200 + "]" * 200, "{a:" * 80 + "1" + "}" * 80),
    *("a\nb", "\x1b[31m", "\x00", "\ud800", "\u202e", "a\tb"),
    *("1,2", "1,,2", "range(1,3)", "glob(*)", "choice(a,b)", "sort(3,1)", "int(a)"),
]
"""Values that a terminal, a parser or a file system may trip over."""
PLAUSIBLE = ["1", "2", "4", "0.5", "1e-3", "true", "false", "null", "cpu", "all", "few", "none", "last", "word"]
VALUES = [*NUMBERS, *ODD, *LISTS, *MAPPINGS, *TEXTS, *REFERENCES]
GROUPS = ("backbone", "dataset", "protocol", "learner")
TOP = (
    "shots",
    "seed",
    "views",
    "crop_scale",
    "val",
    "select",
    "balance",
    "calibration",
    "ckpt_every_s",
    "results",
    "force",
    "data.root",
    "shotz",
)
_SOME = st.one_of(*map(st.sampled_from, (VALUES, PLAUSIBLE, HARD)))


def choices_of(group: str) -> list[str]:
    """The names of a group."""
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


@cache
def keys_of(group: str, choice: str) -> tuple[str, ...]:
    """Every key that a choice of a group takes, those of its optimisers too, and a few that it doesn't."""
    node = yaml.safe_load((conf_dir() / group / f"{choice}.yaml").read_text(encoding="utf-8"))
    return tuple(_keys(group, node)) if "_target_" in node else (f"{group}.name",)


def _keys(where: str, node: dict) -> list[str]:
    names = list(signature_of(imported_target(node, where)))
    keys = [f"{where}.{name}" for name in [*names, "name", "_target_", "nonsense"]]
    for name in names:
        inner = node.get(name)
        keys += _keys(f"{where}.{name}", inner) if isinstance(inner, dict) and "_target_" in inner else []
    return keys


SLIPS = [
    *("-m", "--multirun", "--cfg", "--config-dir=/nowhere", "--json", "--nonsense", "-x", "experiment=nothing"),
    *("experiment=5", "experiment=[coop_few_shot,nothing]", "inner=coop", "inner=nothing", "hydra.run.dir=x"),
    *("hydra/launcher=nothing", "hydra/launcher=joblib", "hydra.sweeper.nonsense=1", "hydra=null"),
]


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
    values = _SOME | st.text(st.characters(codec="utf-8"), max_size=6)
    pairs = draw(st.lists(st.tuples(st.sampled_from(keys), values), min_size=1, max_size=2))
    line = [f"{group}={choice}" for group, choice in chosen.items()] + [f"{key}={value}" for key, value in pairs]
    key = line[-1].partition("=")[0]
    slips = [line[-1], key, f"+{line[-1]}", f"++{line[-1]}", f"~{key}", f"{key}@here=1", f"={key}", "=", "", "--help"]
    return line + draw(st.sampled_from([[]] * 12 + [[slip] for slip in slips] + [[flag] for flag in SLIPS]))


_DATA = [
    *("", "eurosat", "folder", "csv", "json", "hf", "features", "cub", "demo_shapes", "nothing", "a=b", "dataset=csv"),
]
_OWN = (
    *("dataset.path", "dataset.name", "dataset.template", "dataset.class_names", "dataset.test", "dataset.split_seed"),
    *("dataset.max_pixels", "dataset.grey_bits", "dataset.nonsense", "dataset", "data.root", "shots"),
)
VERBS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "data": (("", "check", "check nothing eurosat"), ("--root", "--config-dir", "--decode")),
    "list": (("", "learners", "learners coop", "nothing", "datasets nothing"), ("--config-dir", "--json")),
    "report": (("", ".", "nothing", ". nothing"), ("--format",)),
    "verify": (("", ".", "nothing"), ("--nothing",)),
    "study": (("", ".", "nothing", "nothing seed=2"), ("--results", "--nothing")),
    "cache": (("", "list", "prune", "clear", "nothing"), ("--older-than-days", "--keep-mb", "--nothing")),
    "interpret": (("", ".", "nothing"), ("--top", "--metric", "--json", "--noise", "--seed")),
    "synthesize": (("", ".", "nothing"), ("--classes", "--per-class", "--seed", "--template", "--out")),
    "new": (("", "learner", "nothing x", "learner No-Name", "learner class"), ("--nothing",)),
    "check": (("", "nothing", "os:getcwd", "nothing:X", ":", "a:b:c", "promptlab:Optim"), ("--nothing",)),
    "bench": (
        ("", "nothing", "coop", "features", "sweep", "startup"),
        ("--rounds=0", "--backbone=nothing", "--pretrained=x", "--device=x", "--classes=-1", "--rows=", "--shots=a"),
    ),
}
"""By verb: how it may begin, and flags that are then given anything; none of it makes a run, a download or a file."""


@st.composite
def verb_lines(draw: st.DrawFn) -> list[str]:
    """A verb with words and flags of every wrong kind."""
    verb = draw(st.sampled_from(sorted(VERBS)))
    starts, flags = VERBS[verb]
    words = [verb, *draw(st.sampled_from(starts)).split()]
    if verb == "bench":  # one that can be run would take minutes
        return [*words, draw(st.sampled_from(flags)), *draw(st.sampled_from([[], ["--nothing"], ["--json"]]))]
    for flag in draw(st.lists(st.sampled_from(flags), max_size=2)):
        words += draw(st.sampled_from([[flag], [flag, draw(_SOME)], [f"{flag}={draw(_SOME)}"]]))
    if verb == "data":
        words += draw(st.sampled_from([["check", name] for name in _DATA]) if len(words) == 1 else st.just([]))
        pairs = draw(st.lists(st.tuples(st.sampled_from(_OWN), _SOME), max_size=2))
        words += [f"{key}={value}" for key, value in pairs]
    return words + draw(st.sampled_from([[]] * 8 + [["--help"], ["-x"], [draw(_SOME)]]))
