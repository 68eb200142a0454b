"""What is noted of a dataset's names, of whatever kind it is: also of one that is built by hand."""

from dataclasses import replace

import pytest

from promptlab.data.checks.names import with_names_noted
from promptlab.demo import demo_dataset
from promptlab.protocols import cross_dataset, few_shot
from promptlab.support.errors import DatasetError


def by_hand(*names, name="mine"):
    data = demo_dataset("demo_textures")
    return replace(data, name=name, class_names=(*names, *data.class_names[len(names) :]))


def test_notes_are_made_and_logged_once(caplog):
    noted = with_names_noted(by_hand("hot_dog", "hot dog", "IceBear"))
    assert len(noted.notes) == 2
    assert [message.partition(": ")[2] for message in caplog.messages] == list(noted.notes)
    assert with_names_noted(noted) is noted
    assert len(caplog.messages) == 2
    plain = by_hand()
    assert with_names_noted(plain) is plain


def test_a_result_hears_of_the_names_of_source_and_targets():
    said = "'hot_dog' and 'hot dog' ('a photo of a hot dog.')"
    same = f"classes with the same prompt can't be told apart by their names: {said}"
    assert same in few_shot(by_hand("hot_dog", "hot dog"), shots=1, seed=1).notes
    target = by_hand("hot_dog", "hot dog", name="other")
    assert f"note of other: {same}" in cross_dataset(by_hand(), targets=[target], shots=1, seed=1).notes


@pytest.mark.parametrize("names", [("cat", ""), ("cat", 3)])
def test_what_is_no_name_is_said(names):
    with pytest.raises(DatasetError, match="dataset mine: class name 1 is"):
        few_shot(by_hand(*names), shots=1, seed=1)
