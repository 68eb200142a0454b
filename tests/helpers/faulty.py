"""Learners each of which breaks one test of the contract, and passes all others."""

import torch
from torch.nn import functional as F

from promptlab.learners import CoOp
from tests.helpers.toys import Toy, entropy

SEEN = {}
"""What a module remembers is there for every learner of a process, and for none of the next."""


class KeepsAMean(Toy):
    """A running mean of its logits, as a plain attribute: gone when a killed fit goes on."""

    mean = torch.zeros(())

    def loss(self, batch):
        logits = self(batch.inputs)
        self.mean = 0.9 * self.mean + 0.1 * logits.detach().mean(0)
        return F.cross_entropy(logits - self.mean, batch.labels)


class FollowsATeacher(CoOp):
    """A slow mean of its context teaches it, kept as a plain attribute."""

    teacher = None

    def __init__(self, clip, class_names, *, generator=None):
        super().__init__(clip, class_names, n_ctx=2, generator=generator)

    def loss(self, batch):
        before = self.ctx.detach().clone() if self.teacher is None else self.teacher
        self.teacher = 0.99 * before + 0.01 * self.ctx.detach()
        return super().loss(batch) + (self.ctx - self.teacher).pow(2).mean()


class CountsSteps(Toy):
    """A weight that rises with the steps, counted from 0 again when a killed fit goes on."""

    step = 0

    def loss(self, batch):
        self.step += 1
        return super().loss(batch) * self.step


class Centres(Toy):
    """Takes the mean over the images of a batch away."""

    def forward(self, inputs):
        logits = super().forward(inputs)
        return logits if self.training else logits - logits.mean(0)


class CarriesOver(Toy):
    """Adapts to each test image, and remembers the last one's prediction."""

    test_time = True
    last = 0.0

    def adapt_and_score(self, inputs):
        logits = self(inputs) + self.last
        self.last = float(entropy(logits).detach().mean())
        return logits * (1 + self.last)


class ScoresByCount(Toy):
    """Its scorer adds what depends on how many images there are."""

    def scorer(self):
        generator = torch.Generator().manual_seed(0)
        return lambda inputs: self(inputs) + (len(inputs) < 6) * torch.rand(len(inputs), 1, generator=generator)


class ByPlace(Toy):
    """Favours classes by their place among those it scores."""

    def forward(self, inputs):
        return super().forward(inputs) + 0.1 * torch.arange(len(self.class_names))


class ChangesTheOriginal(Toy):
    """Moves its own bias when it is asked for some of its classes."""

    def select(self, class_indices):
        chosen = super().select(class_indices)
        self.bias.data += 1
        return chosen


class RemembersInTheModule(Toy):
    """Keeps a scale in a variable of its module."""

    def loss(self, batch):
        SEEN["scale"] = 3.0
        return super().loss(batch)

    def forward(self, inputs):
        return super().forward(inputs) * (1.0 if self.training else SEEN.get("scale", 1.0))


class OrdersByHash(Toy):
    """Gives each class a number by the order of a set of texts."""

    per_class = ("numbers",)

    def __init__(self, clip, class_names):
        super().__init__(clip, class_names)
        order = list({f"class {name}" for name in class_names})
        self.numbers = torch.tensor([float(order.index(f"class {name}")) for name in class_names])

    def forward(self, inputs):
        return super().forward(inputs) + self.numbers


FAULTS = {
    KeepsAMean: "test_a_fit_cut_in_two_gives_the_same_bits",
    FollowsATeacher: "test_a_fit_cut_in_two_gives_the_same_bits",
    CountsSteps: "test_a_fit_cut_in_two_gives_the_same_bits",
    Centres: "test_rows_are_scored_alone_as_together",
    CarriesOver: "test_rows_are_scored_alone_as_together",
    ScoresByCount: "test_rows_are_scored_alone_as_together",
    ByPlace: "test_select_scores_some_classes",
    ChangesTheOriginal: "test_select_scores_some_classes",
    RemembersInTheModule: "test_a_new_process_scores_the_same",
    OrdersByHash: "test_a_new_process_scores_the_same",
}
"""Each to the one test that it breaks."""
