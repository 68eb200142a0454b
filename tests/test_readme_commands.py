"""Every command of README runs, in the order of its block, in a folder that holds what it names; what is large is less.

Real backbones give way to the demo's, five seeds to one. What can't run here is listed with the test that has it.
"""

import re
import shlex
from pathlib import Path

import huggingface_hub
import pytest
import torch

import promptlab
from promptlab.cli.main import main
from tests.helpers import miniatures
from tests.helpers.drawn import pictures
from tests.helpers.every_dataset import paint
from tests.helpers.hub import Hub, point_to
from tests.helpers.quick_candidates import quick  # noqa: F401  # a fixture

README = Path(__file__).resolve().parents[1] / "README.md"
NOT_RUN = {
    "app adapted": "serves until it is stopped: tests/app",
    "-m learner=coop,my_method seed=1,2,3": "needs an installed package: tests/cli/test_plugin.py",
    "data.root=DATA protocol=domain_generalization dataset=imagenet": "has 1,000 classes: tests/protocols",
    "data.root=DATA protocol=generalized_zero_shot dataset=cub protocol.calibrate=true":
        "needs pictures that show something: tests/protocols/test_generalized_zero_shot.py",
    "check my_method:MyMethod": "takes seconds, of what is written in tests/cli/test_new.py",
    "study experiments/demo": "takes minutes: tests/cli/test_study.py",
    "encode data.root=/shared/data dataset=imagenet backbone=vit_b16 views=16 --ray --address auto":
        "needs a cluster: tests/features/test_on_ray.py",
}  # fmt: skip
REPLACED = {
    r"^(seed|shots)=(\d+),[\d,]+$": r"\1=\2",
    r"^backbone=vit_b16$": "backbone=demo",
    r"^views=16$": "views=1",
}
"""Words of a command, and what is less of the same."""
RUN = ("shots=1", "views=0", "data.root=DATA", "backbone=demo", "trainer.enable_progress_bar=false")
"""What a run has besides, unless it says otherwise."""
EPOCH = "learner.optim.epochs=1"
CALTECH = ("dataset.n_classes=4",)
BESIDES = {
    "adapt PICTURES": ("--backbone", "demo", "--views", "0"),
    "adapt PICTURES --backbone demo": ("--views", "0", "--out", "first_screen"),
    "adapt pictures.csv --group patient": ("--backbone", "demo", "--views", "0", "--out", "by_patient"),
    "bench coop": ("--backbone", "demo", "--classes", "4", "--batch", "2", "--rounds", "1", "--no-memory"),
    "convert output/MultiModalPromptLearner my_maple learner=maple backbone=vit_b16 data.root=DATA dataset=eurosat":
        ("shots=1",),
    "convert CHECKPOINT DIR learner=maple dataset=caltech101": ("data.root=DATA", "shots=1", *CALTECH),
    "-m study=coop_few_shot data.root=DATA": ("dataset=eurosat,demo_shapes", "seed=1"),
    "-m study=coop_few_shot dataset=eurosat shots=1,16": ("seed=1",),
    "experiment=coop_base_to_new dataset=caltech101": CALTECH,
    "data.root=DATA protocol=cross_dataset dataset=caltech101 'protocol.targets=[eurosat,demo_shapes]'": CALTECH,
    "learner=ship inner=tip_adapter_f": ("learner.generator_optim.epochs=1", "inner.optim.epochs=1"),
}  # fmt: skip
"""What other commands have besides."""
STATUS = {"learner.n_ctxx=4": 2}
"""Other than 0."""


def blocks():
    """The commands of each block that has some."""
    for prompt, block in re.findall(r"```(bash|console)\n(.*?)```", README.read_text(), re.DOTALL):
        start = r"\$ " if prompt == "console" else ""
        lines = [part for line in block.splitlines() for part in line.split("#")[0].split("; ")]
        found = [re.match(start + r"(?:.*?\buv run )?promptlab\b(.*)", line) for line in lines]
        if commands := [one[1].strip() for one in found if one]:
            yield commands


BLOCKS = list(blocks())


def words_of(command):
    """What is run in place of a command."""
    words = shlex.split(command)
    for pattern, less in REPLACED.items():
        words = [re.sub(pattern, less, word) for word in words]
    if words and "=" not in words[0] and words[0] != "-m":
        return [*words, *BESIDES.get(command, ())]
    said = {word.split("=")[0] for word in words}
    besides = [*RUN, *((EPOCH,) if "learner" not in said or "coop" in command else ())]
    return [*words, *(word for word in besides if word.split("=")[0] not in said), *BESIDES.get(command, ())]


@pytest.fixture(scope="module")
def home(tmp_path_factory, quick):  # noqa: F811
    """A folder with all that README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    names = pictures(folder / "PICTURES", 4, 6)
    pictures(folder / "NEW_PICTURES", 2, 2)
    pictures(folder / "NEW", 1, 2)
    rows = [f"PICTURES/{name}/{number:03d}.png,{name},{number}" for name in names for number in range(6)]
    (folder / "pictures.csv").write_text("\n".join(["path,label,patient", *rows]) + "\n")
    saved(folder)
    for place, count in (("eurosat/2750", 10), ("caltech-101/101_ObjectCategories", 4)):
        miniatures.class_folders(folder / "DATA" / place, [f"kind {number}" for number in range(count)])
    paint([path for path in (folder / "DATA").rglob("*.jpg") if not path.stat().st_size])
    return folder


def saved(folder):
    """A learner, and the checkpoint that MaPLe's own code would write."""
    clip = promptlab.load_clip("demo")
    promptlab.CoOp(clip, ["red circle", "blue star"], n_ctx=2, generator=torch.Generator()).save_pretrained(
        folder / "DIR"
    )
    maple = promptlab.MaPLe(clip, ["red circle", "blue star"], depth=4)
    learned = maple.learned_tensors()
    state = {theirs: learned[own] for own, theirs in maple.authors_names().items()}
    for file in (folder / "CHECKPOINT", folder / "output/MultiModalPromptLearner/model.pth.tar-5"):
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"state_dict": state, "epoch": 5}, file)


@pytest.fixture
def hub(home, monkeypatch, tmp_path):
    repositories = [Hub(name, {}, takes=tmp_path) for name in ("me/my-pictures", "ME/NAME")]
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    yield {one.repo: one for one in repositories}
    for one in repositories:
        one.close()


@pytest.mark.parametrize("commands", BLOCKS, ids=[block[0] for block in BLOCKS])
def test_a_block_runs(commands, home, hub, one_process, monkeypatch, capfd):
    monkeypatch.chdir(home)
    for command in commands:
        if command in NOT_RUN:
            continue
        point_to(monkeypatch, hub["ME/NAME" if "ME/NAME" in command else "me/my-pictures"].url)
        status = main(words_of(command))
        assert status == STATUS.get(command, 0), f"promptlab {command}: {capfd.readouterr().err[-2000:]}"


def test_what_is_listed_here_is_in_readme():
    there = {command for block in BLOCKS for command in block}
    assert {*NOT_RUN, *BESIDES, *STATUS} <= there
