"""Small learners, each of which uses one thing that a stage or an evaluation offers."""

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional as F

from promptlab.learners import Batch, ClosedFormStage, GradientStage, PromptLearner
from promptlab.learners.base.optim import Optim, ParameterGroup
from promptlab.learners.base.wrapper import Wrapper

PLAIN = {"warmup_epochs": 0, "schedule": "constant", "momentum": 0.0, "weight_decay": 0.0}
"""Of :class:`Optim`: nothing but the gradient times the learning rate."""


class Toy(PromptLearner):
    """Logits are ``scale * x @ weight.T + bias``; every loss draws random numbers."""

    scale = 10.0
    per_class = ("weight", "bias")

    def __init__(self, clip, class_names, *, optim=None, **more):
        super().__init__(clip, class_names)
        self.optim = optim or Optim(epochs=4, batch_size=8, lr=0.1)
        generator = torch.Generator().manual_seed(7)
        self.weight = nn.Parameter(0.1 * torch.randn(len(class_names), clip.dim, generator=generator))
        self.bias = nn.Parameter(torch.zeros(len(class_names)))
        self.more = more

    def forward(self, inputs):
        return self.scale * inputs @ self.weight.T + self.bias

    def loss(self, batch):
        noise = 0.1 * torch.randn(batch.inputs.shape, generator=batch.generator)
        return F.cross_entropy(self(batch.inputs + noise), batch.labels)

    def stage(self, **changes):
        return GradientStage("toy", [self.weight, self.bias], self.loss, self.optim, **{**self.more, **changes})

    def fit_plan(self):
        return [self.stage()]


class EditsGradients(Toy):
    """ProGrad's rule: what of the gradient goes against that of another loss is taken out."""

    def fit_plan(self):
        return [self.stage(after_backward=self.project)]

    def other(self, batch):
        return F.cross_entropy(self(batch.inputs), (batch.labels + 1) % len(self.class_names))

    def project(self, batch):
        own = [self.weight, self.bias]
        for parameter, other in zip(own, torch.autograd.grad(self.other(batch), own), strict=True):
            parameter.grad.copy_(projected(parameter.grad, other))


def projected(gradient, other):
    """``a``, less its part along ``b`` where the two disagree."""
    dot = (gradient * other).sum()
    return torch.where(dot < 0, gradient - dot / (other * other).sum() * other, gradient)


class Averages(Toy):
    """Leaves a weighted mean of what its epochs ended with."""

    weights = (1.0, 2.0, 4.0, 0.5)

    def fit_plan(self):
        return [self.stage(epoch_weights=self.weights)]


class TwoGroups(Toy):
    """The bias learns 6.5 times as fast, with a weight decay of its own."""

    def fit_plan(self):
        return [self.stage(groups=[ParameterGroup([self.bias], lr_factor=6.5, weight_decay=0.3)])]


class WeakAndStrong(Toy):
    """Consistency: a random view of each image should be scored as its plain view is."""

    views = ("plain", "random")

    def fit_plan(self):
        return [self.stage(views=self.views)]

    def loss(self, batch):
        weak, strong = batch.inputs.unbind(1)
        target = self(weak).detach().softmax(-1)
        return F.cross_entropy(self(weak), batch.labels) + F.cross_entropy(self(strong), target)


class UsesUnlabelled(Toy):
    """Cross-entropy, and the entropy of its predictions on images without labels."""

    uses_unlabelled = True

    def fit_plan(self):
        return [self.stage(uses_unlabelled=True)]

    def loss(self, batch):
        return F.cross_entropy(self(batch.inputs), batch.labels) + entropy(self(batch.unlabelled)).mean()


class UnlabelledAlone(Toy):
    """The entropy of its predictions on images without labels, behind a batch norm; no labelled image trains."""

    uses_unlabelled = True

    def __init__(self, clip, class_names, **more):
        super().__init__(clip, class_names, **more)
        self.norm = nn.BatchNorm1d(clip.dim, affine=False)

    def forward(self, inputs):
        return super().forward(self.norm(inputs))

    def fit_plan(self):
        return [self.stage(uses_unlabelled=True, draws="unlabelled")]

    def loss(self, batch):
        return entropy(super().forward(self.norm(batch.inputs))).mean()


class CountsUnlabelled(Toy):
    """A closed form that reads images without labels."""

    uses_unlabelled = True

    def fit_plan(self):
        return [ClosedFormStage("means", self.solve, uses_unlabelled=True)]

    def solve(self, train, val):
        self.seen = train.unlabelled
        self.bias.data = train.unlabelled.sum((0, 1))[: len(self.class_names)].clone()


class Adapts(Toy):
    """Before each test image, a step that lowers the entropy of the mean prediction over its views."""

    test_time = True
    test_views = 4

    def adapt_and_score(self, inputs):
        logits = self(inputs.squeeze(0))  # (K, C)
        entropy(logits.softmax(-1).mean(0).log()).backward()
        with torch.no_grad():
            for parameter in (self.weight, self.bias):
                parameter -= 0.5 * parameter.grad
        return self(inputs[:, 0])


class MeanOfViews(Toy):
    """Scores the mean feature of an image's views; nothing is adapted."""

    test_views = 3

    def forward(self, inputs):
        return super().forward(inputs.mean(1) if inputs.ndim == 3 else inputs)


class Together(Toy):
    """Transductive: every image's logits, less the mean over all test images."""

    transductive = True

    def score_together(self, inputs):
        logits = self(inputs)
        return logits - logits.mean(0)


class ReadsLengths(Toy):
    """Reads features as the image tower gives them."""

    scale, normalised = 0.1, False


class BeforeProjection(Toy):
    """Trains the image projection, as ProLIP does."""

    scale, normalised, reads = 1.0, False, "pre_projection"

    def __init__(self, clip, class_names, **more):
        super().__init__(clip, class_names, **more)
        self.projection = nn.Parameter(clip.image_projection)

    def forward(self, inputs):
        return super().forward(F.normalize(inputs @ self.projection, dim=-1))

    def stage(self, **changes):
        return GradientStage("toy", list(self.parameters()), self.loss, self.optim, **changes)


class Corrected(Wrapper):
    """A wrapper: the inner learner's logits plus a bias per class, learned after it."""

    per_class = ("bias",)

    def __init__(self, clip, class_names, *, inner, lr=0.1, template="a photo of a {}.", has_images=None,
                 generator=None):  # fmt: skip
        super().__init__(clip, class_names, inner, template=template, has_images=has_images, generator=generator)
        self.bias = nn.Parameter(torch.zeros(len(class_names)))
        self.optim = Optim(epochs=2, batch_size=8, lr=lr, warmup_epochs=0)

    def forward(self, inputs):
        return self.inner(inputs) + self.bias

    def own_stages(self):
        return [GradientStage("bias", [self.bias], self.loss, self.optim)]

    def classes_changed(self, classes):
        if classes.indices is None:
            self.bias = nn.Parameter(self.bias.new_zeros(len(classes.names)))


class Decoupled(Wrapper):
    """DePT's way around a prompt learner: a linear head on the raw features of both towers, trained with it."""

    per_class = ("head",)

    def __init__(self, clip, class_names, *, inner, generator=None):
        super().__init__(clip, class_names, inner, generator=generator)
        self.scale = nn.Parameter(torch.ones(clip.dim))
        self.head = nn.Parameter(
            0.01 * torch.randn(len(class_names), clip.dim, generator=torch.Generator().manual_seed(3))
        )

    @classmethod
    def facts(cls, inner=None):
        return replace(super().facts(inner), normalised=False)

    def forward(self, inputs):
        sides = self.inner.sides(inputs)
        return 0.3 * self.clip.as_logits(sides.similarities()) + 0.7 * (self.scale * sides.images) @ self.head.T

    def loss(self, batch):
        sides = self.inner.sides(batch.inputs)
        rows = torch.cat([sides.texts_of(batch.labels), sides.images])
        logits = self.clip.as_logits(sides.similarities())
        probe = (self.scale * rows) @ self.head.T
        return 0.3 * F.cross_entropy(logits, batch.labels) + 0.7 * F.cross_entropy(probe, batch.labels.repeat(2))

    def fit_plan(self):
        (own,) = self.inner.fit_plan()
        groups = [ParameterGroup([self.scale, self.head], lr_factor=6.5)]
        return [replace(own, parameters=[*own.parameters, self.scale, self.head], loss=self.loss, groups=groups)]

    def classes_changed(self, classes):
        if classes.indices is None:
            self.head = nn.Parameter(self.head.new_zeros(len(classes.names), self.clip.dim))


class Taught(Toy):
    """Learns from another backbone's zero-shot predictions."""

    per_class = ("target",)

    def __init__(self, clip, class_names, *, teacher, **more):
        super().__init__(clip, class_names, **more)
        self.taught_by = teacher.beside(clip)
        self.arguments = {**self.arguments, "teacher": teacher.identified()}
        self.target = self.taught_by.encode_texts([f"a {name}." for name in class_names])

    def loss(self, batch):
        taught = self.taught_by.logits(batch.inputs, self.target).softmax(-1)
        return F.cross_entropy(self(batch.inputs), taught)


def entropy(logits):
    """Of each row's softmax."""
    return -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1)


def batch_of(inputs, labels):
    """A batch that draws from a generator of its own."""
    return Batch(inputs, labels, torch.Generator().manual_seed(0))
