"""Moving a learner to other classes by what it declares per class."""

import pytest
import torch
from torch import nn

from promptlab.learners import ClassSet, CoOp, PromptLearner
from promptlab.prompts import ClassTexts
from tests.helpers.models import tiny_clip

NAMES = ("cat", "dog", "tree")


class Weighted(PromptLearner):
    """Zero-shot logits with a bias, a buffer and a word for each class."""

    open_vocabulary = True
    per_class = ("texts", "bias", "rank", "moods")

    def __init__(self, clip, class_names, *, template="a {}."):
        super().__init__(clip, class_names)
        self.texts = ClassTexts(clip, class_names, template=template)
        self.bias = nn.Parameter(torch.arange(len(class_names)).float() + 1)
        self.register_buffer("rank", torch.arange(len(class_names)))
        self.shared = nn.Parameter(torch.zeros(()))
        self.moods = tuple(name.upper() for name in class_names)

    def forward(self, inputs):
        return self.clip.logits(inputs, self.texts.features) + self.bias + self.shared

    def fit_plan(self):
        return []

    def classes_changed(self, classes):
        if classes.indices is None:
            self.bias = nn.Parameter(torch.zeros(len(classes.names)))
            self.rank = torch.full((len(classes.names),), -1)
            self.moods = ("new",) * len(classes.names)


class Forgetful(Weighted):
    def classes_changed(self, classes):
        pass


@pytest.fixture(scope="module")
def learner():
    return Weighted(tiny_clip(), NAMES)


def test_chosen_classes_take_their_entries_along(learner):
    chosen = learner.select([2, 0])
    assert (chosen.class_names, chosen.moods) == (("tree", "cat"), ("TREE", "CAT"))
    assert (chosen.bias.tolist(), chosen.rank.tolist()) == ([3, 1], [2, 0])
    assert torch.equal(chosen.texts.features, learner.texts.features[[2, 0]])
    assert chosen.shared is learner.shared
    assert chosen.state_dict().keys() == learner.state_dict().keys()
    assert isinstance(chosen.bias, nn.Parameter)
    assert chosen.bias.requires_grad
    assert learner.bias.tolist() == [1, 2, 3]  # the learner itself stays
    assert chosen.select([1]).moods == ("CAT",)


def test_other_names_get_what_the_learner_says(learner):
    other = learner.rebind(["boat"], "the {}!")
    assert (other.bias.tolist(), other.rank.tolist(), other.moods) == ([0], [-1], ("new",))
    assert torch.equal(other.texts.features, learner.clip.encode_texts(["the boat!"]))
    own = learner.rebind(NAMES, "the {}!")
    assert own.bias.tolist() == [1, 2, 3]
    assert torch.equal(own.texts.features, ClassTexts(learner.clip, NAMES, template="the {}!").features)


def test_own_classes_keep_their_rows_among_others(learner):
    joint = learner.extend(["boat", "tree", "cat"], "the {}!", [None, 2, 0])
    assert (joint.bias.tolist(), joint.rank.tolist()) == ([0, 3, 1], [-1, 2, 0])
    assert isinstance(joint.bias, nn.Parameter)
    assert learner.bias.tolist() == [1, 2, 3]


def test_a_rebind_of_ones_own_is_what_extend_goes_by():
    class Own(CoOp):
        def rebind(self, class_names, template=""):
            other = super().rebind(class_names)
            other.mark = template
            return other

    assert Own(tiny_clip(), NAMES, n_ctx=2).extend(["boat"], "the {}!", [None]).mark == "the {}!"


def test_what_was_forgotten_is_named():
    learner = Forgetful(tiny_clip(), NAMES)
    with pytest.raises(ValueError, match=r"Forgetful\.bias has 3 entries for 1 classes: .* in classes_changed"):
        learner.rebind(["boat"])
    learner.bias = nn.Parameter(torch.zeros(7))
    with pytest.raises(ValueError, match=r"Forgetful\.bias has 7 entries for 3 classes"):
        learner.select([0])


def test_what_bases_name_per_class_stays_named():
    class Louder(Weighted):
        per_class = ("volume",)

        def __init__(self, clip, class_names):
            super().__init__(clip, class_names)
            self.volume = list(range(len(class_names)))

    chosen = Louder(tiny_clip(), NAMES).select([2])
    assert (chosen.volume, chosen.moods, chosen.bias.tolist()) == ([2], ("TREE",), [3])


def test_a_class_set_says_where_classes_come_from():
    assert ClassSet(("cat",), indices=(4,)).chosen
    assert not ClassSet(("cat",), template="a {}.").chosen


def test_classes_are_chosen_and_met_by_name(learner):
    chosen = learner.select(["Tree", 0])
    assert (chosen.class_names, chosen.bias.tolist()) == (("tree", "cat"), [3, 1])
    by_name, by_number = (learner.extend(["boat", "TREE"], "the {}!", own) for own in ([None, "tree"], [None, 2]))
    assert by_name.bias.tolist() == by_number.bias.tolist() == [0, 3]
    assert learner.extend(["boat", "TREE"]).bias.tolist() == [0, 3]
    with pytest.raises(ValueError, match="own has 1 entries for 2 class names"):
        learner.extend(["boat", "tree"], own=[None])
    with pytest.raises(ValueError, match="there is no class 'tre', did you mean tree"):
        learner.select(["tre"])


@pytest.mark.parametrize(
    ("names", "message"),
    [("cat", "one text: give a list"), (["cat", ""], "1 is empty"), ([3], "0 is 3"), ([], "no class")],
)
def test_what_are_no_names_is_said_wherever_they_are_given(learner, names, message):
    for take in (lambda given: Weighted(tiny_clip(), given), learner.rebind, learner.extend):
        with pytest.raises(ValueError, match=message):
            take(names)


def test_a_name_given_twice_is_warned_of(learner, caplog):
    learner.rebind(["twin", "twin", "dog"])
    learner.rebind(["twin", "twin", "cat"])
    assert [record.getMessage() for record in caplog.records if "twin" in record.getMessage()] == [
        "these class names are there more than once, each time with the same prompt: twin"
    ]
