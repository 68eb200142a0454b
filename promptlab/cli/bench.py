"""``promptlab bench``: the command line of the measurements."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from promptlab.bench.recipes import RECIPES
from promptlab.support.errors import UsageError
from promptlab.support.words import suggest

if TYPE_CHECKING:
    from promptlab.bench.report import Report
    from promptlab.bench.settings import Settings

SUMMARY = "speed and memory beside the research code's way, on this machine"
USAGE = "bench coop|maple|features|..."
VERBS = {
    "coop": "CoOp's text side and training step",
    "cocoop": "CoCoOp's training step, per image",
    "ship": "the step of SHIP's generator",
    **{name: f"the step of {recipe.learner}" for name, recipe in RECIPES.items() if name not in ("coop", "cocoop")},
    "texts": "class texts of many names in CLIP's 80 templates",
    "towers": "the frozen towers in fp32 and bf16, against the bare model",
    "features": "the feature bank: encoding and gathering",
    "sweep": "a sweep in one process, and Lightning's loop",
    "startup": "commands and imports",
}
N_CTX = {"coop": 16, "cocoop": 4, "ship": 4, "towers": 16, "features": 16, "sweep": 4}
"""M of the verbs that take it, as the papers have it; other learners are made by their recipes."""
BATCH = {name: recipe.batch for name, recipe in RECIPES.items()} | {
    "cocoop": 8, "ship": 64, "texts": 1, "towers": 8, "features": 64, "sweep": 32,
}  # fmt: skip
"""B of each verb, as the papers and the bank have them."""
CLASSES = {"sweep": 24, "texts": 1000}
"""C where it isn't 100."""
VIT = "ViT-B-16-quickgelu"
"""The architecture of the papers' main tables, with the activation of OpenAI's weights."""


def main(arguments: Sequence[str]) -> int:
    """Measure and print; returns the exit status."""
    options = _parser().parse_args(arguments)
    from promptlab.support.console import console, say_json

    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler talks to stderr
    with console(stderr=True).status(f"measuring {options.verb}"):
        report = _measure(options)
    if options.json:
        say_json(report.document())
    else:
        report.show(console())
    return 0


def _measure(options: argparse.Namespace) -> Report:
    if options.verb == "startup":
        from promptlab.bench import startup

        return startup.run(options.rounds)
    settings = _settings(options)
    if options.verb == "towers":
        from promptlab.bench import towers

        return towers.run(settings)
    if options.verb == "features":
        from promptlab.bench import features

        return features.run(settings, options.images, options.rows)
    if options.verb == "sweep":
        from promptlab.bench import sweep

        runs = sweep.Sweep(options.dataset, options.root, options.shots, options.seeds, options.epochs)
        short, long = options.loop_epochs
        return sweep.run(settings, runs, (short, long))
    from promptlab.bench import steps

    return steps.run(options.verb, settings, many=getattr(options, "many", 0))


def _settings(options: argparse.Namespace) -> Settings:
    from promptlab.bench.settings import Settings
    from promptlab.support.devices import usable_device

    return Settings(
        backbone=_backbone(options.backbone),
        pretrained=options.pretrained,
        precision=options.precision,
        device=str(usable_device(options.device)),
        classes=options.classes,
        batch=options.batch,
        rounds=options.rounds,
        threads=options.threads,
        memory=options.memory,
        **({"n_ctx": options.n_ctx} if "n_ctx" in options else {}),
    )


def _backbone(given: str) -> str:
    """What ``load_clip`` calls a backbone, which may be given as ``backbone=`` calls it.

    Raises:
        UsageError: if neither knows it.
    """
    import open_clip

    from promptlab.config.groups import choices

    named, architectures = choices("backbone"), open_clip.list_models()
    if given in named:
        return str(named[given]["name"])
    if given in architectures or ":" in given:  # hf-hub:organisation/name, local-dir:folder
        return given
    meant = suggest(given, [*named, *architectures]) or f"; allowed are {', '.join(named)}, and open_clip's names"
    raise UsageError(f"--backbone {given}: there is no such backbone{meant}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab bench",
        description="Time promptlab's steps beside a plain rendering of the research code's, on this machine. Both "
        "are held equal before anything is timed.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, text in VERBS.items():
        own = verbs.add_parser(verb, help=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
        own.add_argument("--rounds", type=_positive, default=3 if verb == "features" else 5, help="how often to time")
        own.add_argument("--json", action="store_true", help="one JSON document instead of tables")
        if verb != "startup":
            _add_settings(own, verb)
    return parser


def _add_settings(own: argparse.ArgumentParser, verb: str) -> None:
    sweeps = verb == "sweep"
    own.add_argument("--backbone", default="demo" if sweeps else VIT, help="as backbone= has it, or open_clip")
    own.add_argument("--pretrained", help="tag or file of its weights; random weights if left out")
    if verb == "towers":
        own.set_defaults(precision="fp32")  # both are measured
    else:
        own.add_argument("--precision", choices=("fp32", "bf16", "fp16"), default="fp32", help="of the frozen weights")
    own.add_argument("--device", default="auto", help="cpu, cuda, ...; auto: the best there is")
    own.add_argument("--threads", type=_positive, help="torch's threads")
    own.add_argument("--classes", type=_positive, default=CLASSES.get(verb, 100), help="C")
    if verb in N_CTX:
        own.add_argument("--n-ctx", type=_positive, default=N_CTX[verb], help="M, context vectors")
    own.add_argument("--batch", type=_positive, default=BATCH[verb], help="B, images")
    own.add_argument("--no-memory", dest="memory", action="store_false", help="leave out peak memory")
    if verb == "coop":
        own.add_argument("--many", type=int, default=1000, help="also a step with so many classes; 0 leaves it out")
    if verb == "features":
        own.add_argument("--images", type=_positive, default=128, help="pictures to encode")
        own.add_argument("--rows", type=_numbers, default=[50_000, 1_280_000], help="rows to gather, e.g. 50000")
    if sweeps:
        own.add_argument("--dataset", default="demo_shapes", help="a name of promptlab list datasets")
        own.add_argument("--root", help="folder that holds the dataset's")
        own.add_argument("--shots", type=_numbers, default=[1, 2, 4, 8, 16], help="images a class")
        own.add_argument("--seeds", type=_numbers, default=[1, 2, 3])
        own.add_argument("--epochs", type=_positive, help="of training; the paper's by shots if left out")
        own.add_argument("--loop-epochs", type=_pair, default=[5, 30], help="lengths of the fits that show the loop")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1 is needed")
    return value


def _pair(text: str) -> list[int]:
    numbers = _numbers(text)
    if len(numbers) != 2 or numbers[0] == numbers[1]:
        raise argparse.ArgumentTypeError(f"{text}: two different numbers are needed")
    return numbers


def _numbers(text: str) -> list[int]:
    return [_positive(part) for part in text.split(",")]
