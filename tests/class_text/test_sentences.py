"""Sentences about each class in place of a template: read, averaged, part of a fit's id, and saved with a learner."""

import json

import pytest
import torch
from torch.nn import functional as F

from promptlab.class_text.sentences import read_prompt_set
from promptlab.config.settings import ConfigError
from promptlab.demo.datasets import demo_dataset
from promptlab.learners import CLIPAdapter, TipAdapter, TipAdapterF, ZeroShot
from promptlab.runs.facts import arguments_of
from promptlab.runs.run import run
from promptlab.saved.load import load_learner
from promptlab.support.errors import DatasetError
from tests.helpers.models import tiny_clip
from tests.helpers.settings import settings_of

SET = {
    "Polar Bear": ["a large white bear.", "a bear that swims among ice.", "white fur and black nose."],
    "cat": ["a small animal with whiskers."],
    "sea or lake": ["water seen from above.", "a blue surface."],
}
NAMES = ["sea_or_lake", "polar bear"]
TEXT_SIDES = [ZeroShot, CLIPAdapter, TipAdapter, TipAdapterF]


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps(SET))
    return path


def expected(clip, names):
    """CLIP's recipe, sentence by sentence with open_clip's own encoder."""
    rows = []
    for name in names:
        features = [clip.model.encode_text(clip.tokenizer([sentence]), normalize=True)[0] for sentence in SET[name]]
        rows.append(F.normalize(torch.stack(features).mean(0), dim=-1))
    return torch.stack(rows)


def test_classes_are_found_whatever_their_spelling(file):
    assert read_prompt_set(str(file), NAMES) == [SET["sea or lake"], SET["Polar Bear"]]
    assert read_prompt_set(SET, ["cat", "cat"]) == [SET["cat"]] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not valid JSON"),
        ("[1]", "must be an object of class name to list of sentences"),
        ('{"cat": []}', "a list of sentences, not empty, for cat"),
        ('{"cat": "a cat."}', "a list of sentences, not empty, for cat"),
        ('{"cat": ["a cat.", " "]}', "a list of sentences, not empty, for cat"),
        ('{"sea_or_lake": ["a"], "Sea or lake": ["b"]}', "'sea_or_lake' and 'Sea or lake' are the same class"),
        (
            '{"sea or lake": ["a"], "polar bears": ["b"]}',
            r"no sentences for 1 class: polar bear \(is 'polar bears' meant for 'polar bear'\?\)",
        ),
    ],
)
def test_what_is_wrong_is_said(file, content, message):
    file.write_text(content)
    with pytest.raises(DatasetError, match=message):
        read_prompt_set(str(file), NAMES)


@pytest.mark.parametrize("learner", TEXT_SIDES)
def test_a_class_is_the_mean_of_its_sentences(clip, file, learner, monkeypatch):
    monkeypatch.setattr("promptlab.prompts.class_texts._AT_ONCE", 2)  # cuts between and within classes
    made = learner(clip, NAMES, prompts=str(file))
    features = made.text_features() if hasattr(made, "text_features") else made.texts.features
    torch.testing.assert_close(features, expected(clip, ["sea or lake", "Polar Bear"]), atol=1e-5, rtol=0)
    images = F.normalize(torch.randn(3, clip.dim, generator=torch.Generator().manual_seed(0)), dim=-1)
    by_template = learner(clip, NAMES)
    assert not torch.allclose(made(images), by_template(images))
    file.unlink()  # read once: what it is bound to later comes from what was read
    rebound = made.rebind(["cat"], "{} whatever")
    other = rebound.text_features() if hasattr(made, "text_features") else rebound.texts.features
    torch.testing.assert_close(other, expected(clip, ["cat"]), atol=1e-5, rtol=0)
    with pytest.raises(DatasetError, match="no sentences for 1 class: dog"):
        made.rebind(["dog"], "{} whatever")


@pytest.mark.parametrize("learner", TEXT_SIDES)
def test_a_saved_learner_needs_no_file(clip, file, tmp_path, learner):
    made = learner(clip, NAMES, prompts=str(file)).eval()
    made.save_pretrained(tmp_path / "saved")
    file.unlink()
    again = load_learner(tmp_path / "saved", clip)
    images = F.normalize(torch.randn(3, clip.dim, generator=torch.Generator().manual_seed(0)), dim=-1)
    torch.testing.assert_close(again(images), made(images))
    again.rebind(["cat"], "{}")


def test_templates_and_prompts_exclude_each_other(clip, file):
    with pytest.raises(ValueError, match="choose the templates or the sentences"):
        ZeroShot(clip, NAMES, templates="select", prompts=str(file))


def test_a_sentence_too_long_is_named(clip):
    with pytest.raises(ValueError, match=r"'word word .* tokens, more than the"):
        ZeroShot(clip, ["a"], prompts={"a": ["fine", " ".join(["word"] * 200)]})


# whole runs


@pytest.fixture
def demo_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sentences = {name: [f"a {name}.", f"a drawing of a {name}."] for name in demo_dataset("demo_shapes").class_names}
    (tmp_path / "set.json").write_text(json.dumps(sentences))
    return sentences


def run_of(*overrides):
    quiet = ("protocol=few_shot", "shots=1", "views=0", "trainer.enable_progress_bar=false")
    return run(settings_of([*quiet, *overrides]))


def test_what_a_set_says_is_part_of_the_id_and_where_it_lies_is_not(tmp_path, demo_set):
    plain = run_of("learner=zero_shot").result
    assert "prompts" not in plain.fit.learner_arguments  # ids of fits without a set are what they were
    first = run_of("learner=zero_shot", "learner.prompts=set.json")
    assert first.result.fit_id != plain.fit_id
    assert first.result.fit.learner_arguments["prompts"].startswith("sha256:")
    assert first.result.evaluations["test"].metrics.top1 != plain.evaluations["test"].metrics.top1
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "set.json").rename(tmp_path / "elsewhere" / "other.json")
    moved = run_of("learner=zero_shot", f"learner.prompts={tmp_path}/elsewhere/other.json")
    assert (moved.result.fit_id, moved.fresh) == (first.result.fit_id, False)
    demo_set[next(iter(demo_set))][0] += " It has edges."
    (tmp_path / "set.json").write_text(json.dumps(demo_set))
    changed = run_of("learner=zero_shot", "learner.prompts=set.json")
    assert changed.fresh
    ids = {outcome.result.evaluations["test"].eval_id for outcome in (first, moved, changed)}
    assert len(ids) == 2


def test_an_inner_learners_set_is_part_of_the_id_too(demo_set):
    ids = []
    for prompts in ("null", "set.json"):
        settings = settings_of(["learner=ship", "inner=tip_adapter", f"inner.prompts={prompts}"])
        ids.append(arguments_of(settings.learner)["inner"].get("prompts"))
    assert ids[0] is None
    assert ids[1].startswith("sha256:")


@pytest.mark.parametrize("learner", ["clip_adapter", "tip_adapter", "tip_adapter_f"])
def test_adapters_take_a_set_from_the_configuration(demo_set, learner):
    epochs = [] if learner == "tip_adapter" else ["learner.optim.epochs=1"]
    result = run_of(f"learner={learner}", "learner.prompts=set.json", *epochs).result
    assert result.fit.learner_arguments["prompts"].startswith("sha256:")
    assert result.evaluations["test"].metrics.top1 is not None


def test_a_set_that_is_missing_or_lacks_classes_is_refused_before_training(tmp_path, demo_set):
    with pytest.raises(ConfigError, match=r"learner\.prompts=gone\.json: there is no such file"):
        run_of("learner=zero_shot", "learner.prompts=gone.json")
    lost = demo_set.popitem()[0]
    (tmp_path / "set.json").write_text(json.dumps(demo_set))
    with pytest.raises(DatasetError, match=f"no sentences for 1 class: {lost}"):
        run_of("learner=clip_adapter", "learner.prompts=set.json")
    assert not (tmp_path / "results").exists()
