"""Each recipe runs: once, on pictures of eight classes, with the demo backbone and an epoch of each of its stages."""

import pytest

import promptlab
import promptlab.cli.main as cli
from promptlab import load_results
from promptlab.config.groups import choices
from tests.helpers.drawn import pictures

AN_EPOCH = ["learner.optim.epochs=1"]
SESSIONS = {
    "few_shot": (["_few_shot"], AN_EPOCH),
    "tip_adapter_few_shot": (["tip_adapter_few_shot"], []),  # nothing of it trains
    "base_to_new": (["_base_to_new"], AN_EPOCH),
    "transfer": (["_cross_dataset", "_domain_generalization"], [*AN_EPOCH, "protocol.targets=[shifted]"]),
    "dept": (["dept_"], ["inner.optim.epochs=1"]),
    "promptkd": (["promptkd_"], [*AN_EPOCH, "teacher=teacher"]),
    "ship": (["ship_"], ["learner.generator_optim.epochs=1", "inner.optim.epochs=1"]),
}
"""Sweeps that together run every recipe: what is in the recipes' names, and what makes them short."""
MINIATURE = ["backbone=demo", "dataset=small", "shots=1", "views=0", "trainer.enable_progress_bar=false"]


def sessions_of(name):
    found = [session for session, (parts, _) in SESSIONS.items() if any(part in name for part in parts)]
    return next(
        (session for session in ("ship", "dept", "promptkd", "tip_adapter_few_shot") if session in found), found[0]
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A configuration folder with two datasets of the same few pictures."""
    root = tmp_path_factory.mktemp("small")
    pictures(root / "pictures", each=10)  # split by a draw: 5 to train on, 2 to choose on, 3 to test of each class
    (root / "conf" / "dataset").mkdir(parents=True)
    for name in ("small", "shifted"):
        node = f"name: {name}\n_target_: promptlab.data.read_folder\npath: {root / 'pictures'}\n"
        (root / "conf" / "dataset" / f"{name}.yaml").write_text(node)
    return root / "conf"


@pytest.mark.parametrize("session", SESSIONS)
def test_recipes_run(session, small, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    promptlab.ZeroShot(promptlab.load_clip("demo"), ["ring"]).save_pretrained("teacher")
    names = [name for name in choices("experiment") if sessions_of(name) == session]
    words = [f"experiment={','.join(names)}", *MINIATURE, *SESSIONS[session][1], "results=results"]
    assert cli.main(["-m", "--config-dir", str(small), *words]) == 0, capsys.readouterr().err
    results = load_results("results")
    assert len(results) == len(names) - (session == "ship")  # off ImageNet ship_base_to_new is ship_paper_code
    assert all(part.metrics is not None for result in results for part in result.evaluations.values())
