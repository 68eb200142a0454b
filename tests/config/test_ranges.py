"""Every number that a command line or a constructor takes has a range, and what is outside is named before loading."""

import math
import re
import types
from collections.abc import Callable
from numbers import Real
from typing import Annotated, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, example, given, settings

import promptlab.learners
from promptlab.cli.main import main
from promptlab.clip import load_clip
from promptlab.config.check import check
from promptlab.config.compose import composed
from promptlab.config.overrides import lists_of, opened
from promptlab.config.settings import Settings
from promptlab.data import read_csv, read_features, read_folder, read_hf, read_json, read_xlsa17, sample_few_shot
from promptlab.data.benchmarks import read_benchmark
from promptlab.data.pictures.reading import Reading
from promptlab.demo import demo_dataset
from promptlab.evaluation.evaluate import evaluate, logits_of
from promptlab.evaluation.predict import predict
from promptlab.features.bank import FeatureBank
from promptlab.learners import Optim, ParameterGroup, PromptLearner
from promptlab.protocols import base_to_new, cross_dataset, domain_generalization, few_shot, generalized_zero_shot
from promptlab.support.errors import UsageError
from promptlab.support.ranges import hints_of
from promptlab.training.fit import fit
from tests.helpers.command_lines import command_lines

FEW = settings(max_examples=40, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
TEXTURES, SOME = demo_dataset("demo_textures"), object()
LEARNERS = [
    kind
    for name in promptlab.learners.__all__
    if isinstance(kind := getattr(promptlab.learners, name), type) and issubclass(kind, PromptLearner)
]


def numbers_without_range(hint, inside=False):
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return numbers_without_range(arguments[0], inside or len(arguments) > 1)
    if origin is Callable:  # what a function gives isn't given
        return False
    if origin in (Union, types.UnionType, tuple) or arguments:
        return any(numbers_without_range(argument, inside) for argument in arguments)
    return hint in (int, float) and not inside


READERS = [read_folder, read_csv, read_json, read_hf, read_features, read_xlsa17, read_benchmark, Reading]
DRAWN = [few_shot, base_to_new, cross_dataset, domain_generalization, generalized_zero_shot, sample_few_shot]
IN_PYTHON = [fit, predict, evaluate, logits_of, FeatureBank.features, load_clip]


@pytest.mark.parametrize(
    "target", [*LEARNERS, Optim, ParameterGroup, Settings, *READERS, *DRAWN, *IN_PYTHON], ids=lambda t: t.__qualname__
)
def test_every_number_declares_its_range(target):
    hints = hints_of(target)
    assert hints
    without = [name for name, hint in hints.items() if numbers_without_range(hint)]
    assert [name for name in without if name not in ("train_labels", "val_labels")] == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda: read_folder("x", "nowhere", split_seed=-1), "read_folder(split_seed=-1): a whole number from 0 to"),
        (lambda: read_csv("x", "nowhere", max_pixels=0), "read_csv(max_pixels=0): a whole number from 1 to"),
        (lambda: read_json("x", "nowhere", grey_bits=64), "read_json(grey_bits=64): a whole number from 8 to 32 or"),
        (lambda: read_hf("x", "nowhere", test="some"), "read_hf(test='some'): one of all, none, val or None is needed"),
        (lambda: read_features(train=5, test=None), "read_features(train=5): text or Path or None is needed"),
        (lambda: read_xlsa17("x", None, folder=3, image_folder="y"), "read_xlsa17(folder=3): text is needed"),
        (lambda: read_benchmark("x", None, folders="images"), "read_benchmark(folders='images'): a list of text"),
        (lambda: read_benchmark("x", None, folders=[], n_classes=0), "read_benchmark(n_classes=0): a whole number"),
        (lambda: demo_dataset("demo"), "demo_dataset(name='demo'): one of demo_shapes, "),
        (lambda: few_shot(TEXTURES, shots=0, seed=1), "few_shot(shots=0): a whole number from 1 to 1,000,000 or all"),
        (lambda: few_shot(TEXTURES, shots=1, seed=-1), "few_shot(seed=-1): a whole number from 0 to"),
        (lambda: base_to_new(TEXTURES, shots=1, seed=1, joint="no"), "base_to_new(joint='no'): true or false"),
        (lambda: sample_few_shot([0], [], shots=1, seed=-1), "sample_few_shot(seed=-1): a whole number from 0"),
        (
            lambda: sample_few_shot([0.5], [], shots=1, seed=1),
            "labels must be whole numbers of shape (N,), got float64",
        ),
        (lambda: predict(SOME, [], batch_size=0), "predict(batch_size=0): a whole number from 1"),
        (lambda: fit(SOME, SOME, views=-1), "fit(views=-1): a whole number from 0 to 10,000 or online is needed"),
        (lambda: fit(SOME, SOME, select="best"), "fit(select='best'): one of last, val, test is needed"),
        (lambda: load_clip("demo", transform_of=5), "load_clip(transform_of=5): text or None is needed"),
    ],
)
def test_python_is_told_as_a_command_line_is(asked, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        asked()


def numbers_in(value):
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers_in(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers_in(item)]
    return [value] if isinstance(value, Real) and not isinstance(value, bool) else []


@FEW
@given(command_lines())
@example(["learner.ctx_init=' '"])
@example(["learner=zero_shot", "learner.templates=[5]"])
@example(["crop_scale=${shots}"])
@example(["protocol=cross_dataset", "protocol.targets=[1]"])
def test_a_command_line_is_a_message_or_sense(line):
    try:
        for overrides in lists_of([opened(override) for override in line], sweeps=False):
            document = check(composed(overrides)).as_document()
    except UsageError:
        return
    asked = {key: document[key] for key in ("learner", "protocol", "shots", "views", "crop_scale")}
    assert all(math.isfinite(number) and 0 <= number <= 1e12 for number in numbers_in(asked))


NAMED = [
    (["learner.n_ctx=-1"], "learner.n_ctx=-1: a whole number from 1 to 1,000 or null is needed"),
    (["learner.ctx_init=' '"], "learner.ctx_init=' ': words to start from, without braces, or null is needed"),
    (["learner.ctx_init='a photo of a {}'"], "words to start from, without braces, or null is needed"),
    (["learner.ctx_init='a photo of a'", "learner.n_ctx=2"], "learner: n_ctx=2, but ctx_init='a photo of a' has more"),
    (["learner=maple", "learner.n_ctx=9"], "learner: n_ctx=9, but ctx_init='a photo of a' has 4 words"),
    (["learner=zero_shot", "learner.templates=[5]"], "learner.templates=[5]: a list of prompts, each with exactly"),
    (["learner=zero_shot", "learner.templates=['{} and {}']"], "a list of prompts, each with exactly one {}"),
    (["learner=zero_shot", "learner.templates=[]"], "a list of prompts, each with exactly one {}"),
    (["learner=zero_shot", "learner.templates=select", "learner.prompts={a:[b]}"], "learner: templates and prompts"),
    (["learner.optim.epochs=3", "learner.optim.warmup_epochs=9"], "learner.optim: warmup_epochs=9 of epochs=3"),
    (["learner.optim.momentum=1e10"], "learner.optim.momentum=10000000000.0: a number from 0 and below 1 is needed"),
    (["learner.optim.lr=nan"], "learner.optim.lr=nan: a number above 0 and up to 1,000 is needed"),
    (["learner.optim.batch_size=true"], "learner.optim.batch_size=True: a whole number from 1"),
    (["learner=ship", "learner.generator_width=0"], "learner.generator_width=0: a whole number from 1 to 65,536"),
    (["learner=ship", "inner.n_ctx=0"], "learner.inner.n_ctx=0: a whole number from 1"),
    (["learner=ship", "inner.class_names=[a]"], "learner.inner.class_names is given by the run itself"),
    (["learner.optim=5"], "learner.optim=5: Optim or null is needed, by its keys: learner.optim.name and so on"),
    (["learner=clip_lora", "learner.optim.epochs=5"], "give one of the two; steps=null counts epochs alone"),
    (["learner=ship", "inner=maple"], "learner: SHIP makes features, but the learner inside it needs images"),
    (["protocol.name=anything"], "protocol.name=anything: recipes go by this name, which is base_to_new"),
    (["protocol=few_shot", "protocol.name=base_to_new"], "protocol.name=base_to_new: recipes go by this name"),
    (["protocol=cross_dataset", "protocol.targets=[1]"], "protocol.targets: 1 is no name of `promptlab list datasets`"),
    (["shots=1000000000000000000"], "shots=1000000000000000000: a whole number from 1 to 1,000,000 or all is needed"),
    (["shots=2.5"], "shots=2.5: a whole number from 1 to 1,000,000 or all is needed"),
    (["views=1000000000"], "views=1000000000: a whole number from 0 to 10,000 or online is needed"),
    (["seed=-1"], "seed=-1: a whole number from 0 to 4,294,967,295 is needed"),
    (["crop_scale=[0.5,0.1]"], "crop_scale=[0.5, 0.1]: the smallest share comes first"),
    (["ckpt_every_s=inf"], "ckpt_every_s=inf: a number from 0 is needed"),
    (["force=-1"], "force=-1: true or false is needed"),
    (["~shots"], "shots is missing: leave out ~shots"),
    (["backbone=-1"], "Config group override must be a string"),
    (["results=' '"], "results=' ': a folder is needed"),
    (["backbone.device=gpu"], "backbone.device='gpu': a device, such as cpu or cuda:0, is needed"),
    (["backbone.text_memory_mb=0"], "backbone.text_memory_mb=0: a whole number from 1"),
    (["dataset=folder", "dataset.name=a/b"], "dataset.name: 'a/b' can't be part of a path"),
    (["dataset=folder", "dataset.template='{} {}'"], "dataset.template: template '{} {}' needs exactly one {}"),
]


@pytest.mark.parametrize(("line", "message"), NAMED)
def test_what_is_out_of_range_is_named_with_its_key(line, message):
    with pytest.raises(UsageError) as refused:
        check(composed([opened(override) for override in line]))
    assert message in str(refused.value)


def test_what_a_learner_around_others_sets_is_not_called_a_key_of_the_users(capsys):
    assert main(["learner=dept", "learner.inner=tip_adapter"]) == 2
    said = "learner=dept can't be put around TipAdapter: it sets learner.inner.optim.lr, which TipAdapter doesn't take"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("line", [["ckpt_every_s=inf"], ["learner.n_ctx=-1"], ["-m", "seed=1,-2"], ["protocol.name=x"]])
def test_the_command_answers_with_a_message_and_writes_nothing(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(line) == 2
    said = capsys.readouterr().err
    assert said.startswith("promptlab: ")
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
