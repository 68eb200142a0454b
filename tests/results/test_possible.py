"""What can't have been measured is refused, in documents without a checksum too; flips never give other numbers."""

import json
import random
from dataclasses import replace

import pytest

from promptlab.results.document import Result, ResultError
from promptlab.support.checksums import unsealed
from tests.helpers.results import make_result


def base(document):
    return document["evaluations"]["base"]


IMPOSSIBLE = {
    "base.metrics.top1 holds 7: a fraction": lambda d: base(d)["metrics"].update(top1=7),
    "base.metrics.top1 is 0.7, but 0.8 follows": lambda d: base(d)["metrics"].update(top1=0.7),
    "base.metrics.per_class_images add up to 90": lambda d: base(d)["metrics"].update(per_class_images=[90, 0]),
    "base.zero_shot.mean_class_accuracy is 0.6, but 0.5": lambda d: base(d)["zero_shot"].update(
        mean_class_accuracy=0.6
    ),
    "base.metrics.per_class_accuracy: the classes": lambda d: base(d)["metrics"].update(per_class_accuracy=[0.8, 0.1]),
    "reliability.count add up to 101": lambda d: base(d)["metrics"]["reliability"].update(count=[1, 100]),
    "reliability.ece is 0.2": lambda d: base(d)["metrics"]["reliability"].update(ece=0.2),
    "2 edges": lambda d: base(d)["metrics"]["reliability"].update(edges=[0.0, 1.0]),
    "harmonic.learner is 0.9, but 0.685714": lambda d: d["harmonic"].update(learner=0.9),
    "harmonic.zero_shot is None, but": lambda d: d["harmonic"].update(zero_shot=None),
    "fit_id is '0+'": lambda d: d.update(fit_id="0" * 16),
    "seed is 3, but that of the fit is 1": lambda d: d.update(seed=3),
    "base.eval_id is '0+'": lambda d: base(d).update(eval_id="0" * 16),
    "base.facts.name is 'new'": lambda d: base(d)["facts"].update(name="new"),
    "base.eval_id": lambda d: base(d)["facts"].update(template="another {}."),
    "fit_id": lambda d: d["fit"]["learner_arguments"].update(n_ctx=8),
    "train_images is -1": lambda d: d.update(train_images=-1),
    r"learning_curve\[0\].accuracy holds 25": lambda d: d["learning_curve"][0].update(accuracy=25),
}


@pytest.mark.parametrize("message", IMPOSSIBLE)
def test_what_cant_be_is_refused_with_its_place(message):
    document = unsealed(json.loads(make_result().to_json()))
    IMPOSSIBLE[message](document)
    with pytest.raises(ResultError, match=rf"some/result\.json: .*{message}.*"):
        Result.from_json(json.dumps({**document, "schema_version": 1}), source="some/result.json")


def test_a_changed_value_is_told_by_the_checksum_even_if_it_could_be():
    text = make_result().to_json()
    with pytest.raises(ResultError, match=r"its checksum is another.*edited by hand"):
        Result.from_json(text.replace('"fit": 2.0', '"fit": 3.0'))
    with pytest.raises(ResultError, match="it has no checksum"):
        Result.from_json(json.dumps(unsealed(json.loads(text))))


def test_a_document_laid_out_anew_is_the_same():
    result = make_result()
    assert Result.from_json(json.dumps(json.loads(result.to_json()), indent=4, sort_keys=True)) == result


def test_flipped_bits_are_refused_or_say_nothing():
    result = make_result()
    whole, generator = result.to_json().encode(), random.Random(12)
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        try:
            assert Result.from_json(data.decode()) == result
        except (ResultError, UnicodeDecodeError):
            refused += 1
    assert refused > 75


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '{"schema_version": 1' + "0" * 5000 + "}"])
def test_hostile_documents_are_refused(text):
    with pytest.raises(ResultError):
        Result.from_json(text)


def test_a_result_that_could_be_scored_in_part_is_possible():
    result = make_result({"base": 0.8, "new": None}, reasons={"new": "no images"})
    assert Result.from_json(replace(result, git=None).to_json()).evaluations["new"].metrics is None
