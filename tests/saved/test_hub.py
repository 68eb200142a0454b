"""Learners to a hub on the loopback and back, and the model card that goes with them."""

import json
import shutil

import huggingface_hub
import pytest
import torch
import yaml

import promptlab
from promptlab.cli.main import main
from promptlab.learners import CoOp
from promptlab.learners.base.decision import Decision
from promptlab.saved.card import BackboneCard, BackboneSource, Card, TrainingCard
from promptlab.saved.hub import HubError, pull_learner, push_learner
from promptlab.saved.model_card import licence_of, model_card
from promptlab.support.errors import UsageError
from tests.helpers.hub import REVISION, Hub, point_to

REPO = "me/rings"
HOSTILE = ("<script>alert(1)</script>", "[x](javascript:alert(1))", "a\u202eb", "c\x1b[31m|d", "---\nlicense: none")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    learner = CoOp(promptlab.load_clip("demo"), ["red ring", *HOSTILE], n_ctx=2, generator=torch.Generator())
    learner.decision = Decision(threshold=0.4)
    return learner.save_pretrained(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    (tmp_path / "on the hub").mkdir()
    found = Hub(REPO, {}, takes=tmp_path / "on the hub")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    point_to(monkeypatch, found.url)
    monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
    yield found
    found.close()


def card_of(**changes):
    backbone = BackboneCard(
        name="ViT-B-16/openai", fingerprint="0" * 16, precision="fp32", dim=512, width=512,
        source=BackboneSource(name="ViT-B-16", pretrained="openai"),
    )  # fmt: skip
    training = TrainingCard(
        dataset="my: data", protocol="few_shot", shots=16, seed=1, views=16, train_images=48, fit_id="ab12",
        top1={"all": 0.91234, "new": None},
    )  # fmt: skip
    fields = {
        "learner": "promptlab.learners.CoOp", "learner_version": 1, "arguments": {}, "backbone": backbone,
        "class_names": ("cat", "dog"), "learned_sha256": "0" * 64, "training": training,
    }  # fmt: skip
    return Card(**{**fields, **changes})


def test_what_is_pushed_comes_back(saved, hub, tmp_path, capsys):
    assert main(["push", str(saved), REPO, "--private", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["commit"] == f"{hub.url}/{REPO}/commit/{REVISION}"
    assert hub.made[0]["name"] == "rings"
    assert hub.made[0].get("private") is True or hub.made[0].get("visibility") == "private"
    assert sorted(hub.files) == ["README.md", "card.json", "learned.safetensors"]
    assert main(["pull", REPO, str(tmp_path / "back")]) == 0
    said = capsys.readouterr()
    assert "CoOp of 6 classes" in said.out
    assert said.err == ""  # no bars of the hub's client
    for name in hub.files:
        pulled = tmp_path / "back" / name
        assert pulled.read_bytes() == hub.files[name].read_bytes()
        assert not pulled.is_symlink()
    first, again = promptlab.load_learner(saved), promptlab.load_learner(tmp_path / "back")
    assert torch.equal(first.ctx, again.ctx)
    assert again.decision.threshold == 0.4


def test_a_readme_of_ones_own_is_pushed_as_it_is(saved, hub, tmp_path):
    promptlab.load_learner(saved).save_pretrained(tmp_path / "mine")
    (tmp_path / "mine" / "README.md").write_text("---\nlicense: mit\n---\nmine\n")
    push_learner(tmp_path / "mine", REPO)
    assert hub.files["README.md"].read_text().endswith("mine\n")


def test_what_is_damaged_on_the_hub_is_not_written(saved, hub, tmp_path):
    push_learner(saved, REPO)
    hub.files["learned.safetensors"].write_bytes(b"others")
    with pytest.raises(promptlab.saved.card.CardError, match="damaged or belongs to another card"):
        pull_learner(REPO, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_folder_that_is_no_learner_is_not_pushed(hub, tmp_path):
    with pytest.raises(promptlab.saved.card.CardError):
        push_learner(tmp_path, REPO)
    assert hub.asked == []


def test_what_the_hub_refuses_is_said_with_the_cure(saved, hub):
    hub.gated = True
    with pytest.raises(HubError, match=r"could not be pushed to me/rings.*hf auth login"):
        push_learner(saved, REPO)


@pytest.mark.parametrize("repo", ["rings", "../../etc/passwd", "me/rings/x", "me/..", "https://hub/me/rings"])
def test_only_names_of_repositories_are_asked_for(saved, hub, tmp_path, repo):
    with pytest.raises(UsageError, match="ORGANISATION/NAME"):
        push_learner(saved, repo)
    with pytest.raises(UsageError, match="ORGANISATION/NAME"):
        pull_learner(repo, tmp_path / "back")
    assert hub.asked == []


def test_the_header_is_what_the_hub_files_by():
    readme = model_card(card_of(), REPO)
    header = yaml.safe_load(readme.split("---\n")[1])
    assert (header["library_name"], header["pipeline_tag"]) == ("promptlab", "image-classification")
    assert header["license"] == "mit"
    assert header["base_model"] == "timm/vit_base_patch16_clip_224.openai"
    (entry,) = header["model-index"]
    (result,) = entry["results"]
    assert entry["name"] == "rings"
    assert (result["metrics"][0]["type"], result["metrics"][0]["value"]) == ("accuracy", 0.9123)
    assert result["dataset"]["name"] == "my: data"
    assert "| all | 91.23 % |" in readme
    assert "| new | – |" in readme


def test_what_was_adapted_has_the_scores_of_its_folds():
    training = TrainingCard(
        dataset="My pictures", protocol="adapt", shots="3 to 25", seed=1, views=4, train_images=99, fit_id="ab12",
        top1={"held_out": 0.646},
    )  # fmt: skip
    readme = model_card(card_of(training=training), REPO)
    (result,) = yaml.safe_load(readme.split("---\n")[1])["model-index"][0]["results"]
    assert (result["task"]["name"], result["metrics"][0]["value"]) == ("adapt, held-out folds", 0.646)
    assert "| held-out folds | 64.60 % |" in readme
    assert "3 to 25 training pictures per class, 99 in all" in readme


def test_zero_shot_has_the_hubs_name_for_it():
    readme = model_card(card_of(learner="promptlab.learners.ZeroShot", training=None), REPO)
    assert "pipeline_tag: zero-shot-image-classification" in readme
    assert "The card doesn't say." in readme


def test_names_from_data_are_text_in_a_model_card():
    training = TrainingCard(
        dataset="x\nlicense: none", protocol="<p>", shots="`all`", seed=1, views=0, train_images=1, fit_id="a",
        top1={"<img src=x onerror=alert(1)>": 0.5},
    )  # fmt: skip
    readme = model_card(card_of(class_names=HOSTILE, training=training), REPO)
    header, body = readme.split("\n---\n", 1)
    assert yaml.safe_load(header.removeprefix("---\n"))["license"] == "mit"
    assert "<script" not in body.replace("\\<", "")
    assert "<img" not in body.replace("\\<", "")
    assert "[x](javascript" not in body.replace("\\[", "").replace("\\]", "")
    assert not [character for character in body if not character.isprintable() and character != "\n"]


@pytest.mark.parametrize(
    ("source", "licence"),
    [
        (BackboneSource(name="demo"), "mit"),
        (BackboneSource(name="ViT-B-16", pretrained="laion2b_s34b_b88k"), "mit"),
        (BackboneSource(name="ViT-B-16-SigLIP", pretrained="webli"), "apache-2.0"),
        (BackboneSource(name="ViT-B-16", pretrained="somebodys"), None),
        (None, None),
    ],
)
def test_a_licence_is_said_where_it_is_known(source, licence):
    backbone = BackboneCard(name="b", fingerprint="0", precision="fp32", dim=8, width=8, source=source)
    card = card_of(backbone=backbone)
    assert licence_of(card) == licence
    assert ("isn't known here" in model_card(card, REPO)) == (licence is None)


def test_a_result_with_paths_of_this_machine_stays_here(saved, hub, tmp_path, caplog):
    folder = shutil.copytree(saved, tmp_path / "run")
    for config, pushed in (({"dataset": {"path": "mine"}}, True), ({"dataset": {"path": "/home/me/x"}}, False)):
        hub.files.clear()
        (folder / "result.json").write_text(json.dumps({"config": config}))
        push_learner(folder, REPO)
        assert ("result.json" in hub.files) is pushed
        assert "card.json" in hub.files
    assert "/home/me/x" in caplog.text


def test_pulling_mixes_no_two_learners(saved, hub, tmp_path):
    push_learner(saved, REPO)
    pull_learner(REPO, tmp_path / "pulled")
    (tmp_path / "pulled" / "result.json").write_text("an earlier learner's")
    pull_learner(REPO, tmp_path / "pulled")
    assert sorted(path.name for path in (tmp_path / "pulled").iterdir()) == [
        "README.md",
        "card.json",
        "learned.safetensors",
    ]
    (tmp_path / "pulled" / "logits-held_out.safetensors").touch()
    with pytest.raises(UsageError, match="logits-held_out"):
        pull_learner(REPO, tmp_path / "pulled")
