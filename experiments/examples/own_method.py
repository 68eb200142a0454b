# %% [markdown]
# # A method of your own
#
# A learner is one class: what it holds, its logits, its loss and how it is fitted. This one moves the class texts
# by one shared vector, and keeps it short. Saving, scoring subsets of the classes and resuming come with the base
# class.

# %%
import torch
from torch import nn

import promptlab
from promptlab.learners import GradientStage
from promptlab.prompts import ClassTexts


class SharedShift(promptlab.PromptLearner):
    """Class texts moved by one learned vector; its length costs ``weight``."""

    per_class = ("texts",)

    def __init__(self, clip, class_names, *, template="a photo of a {}.", weight=1.0, optim=None):
        super().__init__(clip, class_names)
        self.texts = ClassTexts(clip, class_names, template=template)  # features (C, D)
        self.shift = nn.Parameter(torch.zeros(clip.dim, device=clip.device))  # (D,)
        self.weight, self.optim = weight, optim or promptlab.Optim(epochs=20, lr=0.01)

    def forward(self, image_features):  # (B, D) to logits (B, C)
        texts = nn.functional.normalize(self.texts.features + self.shift, dim=-1)
        return self.clip.logits(image_features, texts)

    def loss(self, batch):
        return nn.functional.cross_entropy(self(batch.inputs), batch.labels) + self.weight * self.shift.square().sum()

    def fit_plan(self):
        return [GradientStage("shift", [self.shift], self.loss, self.optim)]


# %%
clip = promptlab.load_clip("demo")
data = promptlab.demo_dataset("demo_shapes")
for shots in (1, 4, 16):
    picks, _ = promptlab.sample_few_shot(data.train.labels, data.val.labels, shots=shots, seed=1)
    learner = SharedShift(clip, data.class_names)
    promptlab.fit(learner, data.train.take(picks), views=0, seed=1)
    print(f"{shots:2} shots: {100 * promptlab.evaluate(learner, data.test).top1:5.1f} %")

# %% [markdown]
# `promptlab new learner my_method` writes such a class as a package with its YAML and its tests, so that
# `promptlab -m learner=my_method shots=1,4,16 seed=1,2,3` sweeps over it, and `promptlab check` runs the
# contract's tests.
