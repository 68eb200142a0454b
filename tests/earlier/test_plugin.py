"""A plug-in as 69d8333's CONTRIBUTING had it, word for word, passes the contract."""

from promptlab.learners.contract import LearnerContract
from tests.earlier.biased_zero_shot import BiasedZeroShot


class TestBiasedZeroShot(LearnerContract):
    learner = BiasedZeroShot


def test_it_gives_other_classes_by_its_own_select():
    learner = TestBiasedZeroShot().make()
    learner.bias.data += 1
    chosen = learner.select([2])
    assert type(chosen) is BiasedZeroShot
    assert chosen.bias.tolist() == [1]
