from biased_zero_shot import BiasedZeroShot

from promptlab.learners.contract import LearnerContract


class TestBiasedZeroShot(LearnerContract):
    learner = BiasedZeroShot
