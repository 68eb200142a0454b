from biased_zero_shot import BiasedZeroShot

from promptlab.learners.base.contract import LearnerContract


class TestBiasedZeroShot(LearnerContract):
    learner = BiasedZeroShot
