"""Every number that a command line or a constructor takes has a range, and what is outside is named before loading."""

import math
import types
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
from promptlab.learners import Optim, ParameterGroup, PromptLearner
from promptlab.support.errors import UsageError
from promptlab.support.ranges import hints_of
from tests.helpers.command_lines import command_lines

FEW = settings(max_examples=40, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
LEARNERS = [
    kind
    for name in promptlab.learners.__all__
    if isinstance(kind := getattr(promptlab.learners, name), type) and issubclass(kind, PromptLearner)
]


def numbers_without_range(hint, inside=False):
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return numbers_without_range(arguments[0], inside or len(arguments) > 1)
    if origin in (Union, types.UnionType, tuple) or arguments:
        return any(numbers_without_range(argument, inside) for argument in arguments)
    return hint in (int, float) and not inside


@pytest.mark.parametrize("target", [*LEARNERS, Optim, ParameterGroup, Settings, load_clip], ids=lambda t: t.__name__)
def test_every_number_declares_its_range(target):
    hints = hints_of(target)
    assert hints
    assert [name for name, hint in hints.items() if numbers_without_range(hint)] == []


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


@pytest.mark.parametrize("line", [["ckpt_every_s=inf"], ["learner.n_ctx=-1"], ["-m", "seed=1,-2"], ["protocol.name=x"]])
def test_the_command_answers_with_a_message_and_writes_nothing(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(line) == 2
    said = capsys.readouterr().err
    assert said.startswith("promptlab: ")
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
