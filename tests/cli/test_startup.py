"""What is imported by when: the price of a start, counted in modules."""

import json
import os
import subprocess
import sys

import pytest

FEW_USES = {
    "matplotlib", "pandas", "scipy", "sklearn", "sympy", "timm", "torch._dynamo.eval_frame", "torch.utils.flop_counter",
    "torchvision.models", "torchvision.ops", "transformers", "triton",
}  # fmt: skip
"""Nothing below needs them, but libraries that are imported offer something for them."""
WATCHED = FEW_USES | {
    "hydra", "lightning", "numpy", "open_clip", "rich", "torch", "torchmetrics", "torchvision",
}  # fmt: skip
SCRIPT = """
import json, sys
watched, marks = set(json.loads(sys.argv[1])), {}

def mark(name):
    marks[name] = sorted(watched & sys.modules.keys())

import promptlab
mark("import promptlab")
from promptlab.cli.main import main
main(["--help"])
mark("--help")
main(["list", "learners"])
main(["list", "backbones"])
mark("list")
main(["cache", "list"])
main(["--cfg", "job"])
mark("cache list, --cfg job")
clip = promptlab.load_clip("demo")
data = promptlab.demo_dataset("demo_textures")
few = data.train.take(range(0, len(data.train), 40))
zero_shot = promptlab.ZeroShot(clip, data.class_names)
mark("class texts")
promptlab.evaluate(zero_shot, few)
promptlab.fit(promptlab.TipAdapter(clip, data.class_names, search=False), few, views=0)
import promptlab.runs.run
mark("scoring and closed forms")
learner = promptlab.CoOp(clip, data.class_names, n_ctx=2, optim=promptlab.Optim(epochs=1, warmup_epochs=0))
promptlab.fit(learner, few, views=0, trainer={"enable_progress_bar": False})
mark("gradients")
sys.stderr.write(json.dumps(marks))
"""


@pytest.fixture(scope="module")
def marks(tmp_path_factory):
    """What of ``WATCHED`` is imported after each part of one process."""
    cache = tmp_path_factory.mktemp("cache")
    command = [sys.executable, "-c", SCRIPT, json.dumps(sorted(WATCHED))]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PROMPTLAB_CACHE": str(cache)}
    )
    return {name: set(found) for name, found in json.loads(done.stderr.splitlines()[-1]).items()}


def test_importing_promptlab_and_asking_for_help_import_nothing(marks):
    assert marks["import promptlab"] == marks["--help"] == set()


@pytest.mark.parametrize("part", ["list", "cache list, --cfg job"])
def test_what_only_reads_files_imports_no_torch(marks, part):
    assert not marks[part] & {"torch", "torchvision", "open_clip", "lightning", "torchmetrics"}


@pytest.mark.parametrize("part", ["class texts", "scoring and closed forms"])
def test_what_trains_no_gradient_imports_no_lightning(marks, part):
    assert "open_clip" in marks[part]
    assert not marks[part] & ({"lightning"} | FEW_USES)


def test_training_imports_nothing_for_few_uses(marks):
    assert "lightning" in marks["gradients"]
    assert not marks["gradients"] & FEW_USES
