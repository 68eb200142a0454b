"""Learners that tests share."""

from functools import partial
from pathlib import Path

import torch
from torch import nn

from promptlab.learners import (
    APE,
    APET,
    CLAP,
    GDA,
    IVLP,
    MMRL,
    MTA,
    PLOT,
    SHIP,
    TCP,
    TPT,
    VPT,
    ZSLP,
    ATPrompt,
    CLIPAdapter,
    CLIPLoRA,
    ClosedFormStage,
    CoCoOp,
    CoOp,
    CoPrompt,
    CrossModal,
    DePT,
    KgCoOp,
    LinearProbe,
    LPPlusPlus,
    MaPLe,
    MMRLPlusPlus,
    Optim,
    ProGrad,
    ProLIP,
    PromptKD,
    PromptLearner,
    PromptSRC,
    SavedLearner,
    TaskRes,
    TipAdapter,
    TipAdapterF,
    TransCLIP,
    TransCLIPFewShot,
    TwoStage,
    ZeroShot,
    ZLaP,
    ZLaPInductive,
)
from promptlab.learners.base.contract import NAMES

TEACHER = SavedLearner(folder=str(Path(__file__).with_name("teacher")))
"""A PromptSRC over the demo, trained for an epoch on two classes of demo_shapes."""


class NearestMean(PromptLearner):
    """A closed form: the normalised mean feature of each class."""

    per_class = ("means",)

    def __init__(self, clip, class_names):
        super().__init__(clip, class_names)
        self.register_buffer("means", torch.zeros(len(class_names), clip.dim))

    def forward(self, inputs):
        return self.clip.logits(inputs, self.means)

    def fit_plan(self):
        return [ClosedFormStage("means", self._solve)]

    def _solve(self, train, val):
        for label in range(len(self.class_names)):
            self.means[label] = nn.functional.normalize(train.inputs[train.labels == label].mean((0, 1)), dim=-1)


LEARNERS = {
    "zero-shot": (ZeroShot, {}),
    "zero-shot ensemble": (ZeroShot, {"templates": "select"}),
    "coop": (CoOp, {"n_ctx": 4}),
    "coop class-specific": (CoOp, {"ctx_init": "a photo of a", "csc": True, "class_token_position": "middle"}),
    "cocoop": (CoCoOp, {}),
    "kgcoop": (KgCoOp, {}),
    "maple": (MaPLe, {"depth": 3}),
    "coprompt": (CoPrompt, {"depth": 2, "weight": 2.0}),
    "coprompt of sentences": (
        CoPrompt,
        {"depth": 2, "prompts": {name: ["It is here.", f"A {name}."] for name in NAMES}},
    ),
    "ivlp": (IVLP, {"prompt_depth_text": 2, "prompt_depth_vision": 1, "n_ctx_vision": 3}),
    "vpt": (VPT, {"n_ctx_vision": 2, "prompt_depth_vision": 2}),
    "promptsrc": (PromptSRC, {"prompt_depth_text": 2, "prompt_depth_vision": 2, "n_ctx_text": 2}),
    "clip-adapter": (CLIPAdapter, {}),
    "clip-adapter ensemble": (CLIPAdapter, {"templates": "select", "ratio": 0.6, "reduction": 2}),
    "tip-adapter": (TipAdapter, {"search_step": (15, 6)}),
    "tip-adapter-f": (TipAdapterF, {"search_step": (15, 6)}),
    "tip-adapter-f no search": (TipAdapterF, {"search": False, "templates": "select"}),
    "ape": (APE, {"search_step": (15, 6, 5)}),
    "ape-t": (APET, {"search_step": (15, 6, 1)}),
    "gda": (GDA, {}),
    "gda of base classes": (GDA, {"covariance": "within_class", "alpha": 0.5, "neighbours": 5}),
    "lp++": (LPPlusPlus, {"epochs": 20}),
    "lp++ of the paper": (LPPlusPlus, {"epochs": 20, "alpha_gradient": "current", "choose_epoch": False}),
    "mta": (MTA, {"test_views": 6}),
    "transclip": (TransCLIP, {}),
    "transclip few-shot": (TransCLIPFewShot, {}),
    "zlap": (ZLaP, {}),
    "zlap inductive": (ZLaPInductive, {"neighbours": 3}),
    "zlap sparse": (ZLaPInductive, {"sparse": True}),
    "tpt + coop": (TPT, {"test_views": 4, "optim": Optim(epochs=3)}),
    "tcp": (TCP, {"layer": 3, "teacher_template": "a drawing of a {}."}),
    "clip-lora": (CLIPLoRA, {}),
    "2sfs": (TwoStage, {}),
    "2sfs of biases": (TwoStage, {"tuning": "bitfit"}),
    "2sfs of updates alone": (TwoStage, {"tuning": "lora", "tower_share": 1.0}),
    "mmrl": (MMRL, {"first_layer": 3, "last_layer": 4, "rep_dim": 16}),
    "mmrl++": (MMRLPlusPlus, {"first_layer": 3, "last_layer": 4, "rep_dim": 16, "target_betas": {"dtd": 0.5}}),
    "taskres": (TaskRes, {}),
    "cross-modal": (CrossModal, {"head": "adapter", "wise_ft": 0.5}),
    "zs-lp": (ZSLP, {}),
    "clap": (CLAP, {"templates": "select"}),
    "prograd": (ProGrad, {"n_ctx": 5}),
    "dept around kgcoop": (DePT, {"inner": partial(KgCoOp, n_ctx=4)}),
    "dept around maple": (DePT, {"inner": partial(MaPLe, depth=2)}),
    "plot": (PLOT, {"n_prompts": 2, "n_ctx": 3}),
    "plot of imagenet": (PLOT, {"n_prompts": 3, "n_ctx": 2, "add_global": True}),
    "atprompt around coop": (
        ATPrompt,
        {
            "inner": partial(CoOp, n_ctx=2),
            "attributes": ["color"],
            "n_att": 3,
            "target_attributes": {"dtd": ["pattern", "color"]},
        },
    ),
    "atprompt around cocoop": (ATPrompt, {"inner": CoCoOp, "attributes": ["color", "shape"]}),
    "atprompt around maple": (ATPrompt, {"inner": partial(MaPLe, depth=2), "attributes": ["color"]}),
    "dept around atprompt": (
        DePT,
        {"inner": partial(ATPrompt, inner=partial(CoOp, n_ctx=2), attributes=["color", "shape"])},
    ),
    "promptkd": (PromptKD, {"teacher": TEACHER, "prompt_depth_vision": 2}),
    "prolip": (ProLIP, {}),
    "linear probe": (LinearProbe, {}),
    "linear probe given penalty": (LinearProbe, {"c": 10.0}),
    "ship around coop": (SHIP, {"inner": partial(CoOp, n_ctx=2)}),
    "ship around dept": (SHIP, {"inner": partial(DePT, inner=partial(CoOp, n_ctx=2))}),
    "ship's gan around cocoop": (SHIP, {"inner": CoCoOp, "prompt_generator": "gan"}),
    "ship from scratch": (
        SHIP,
        {"inner": partial(CoOp, csc=True, n_ctx=2), "prompt_generator": "vae_scratch_decoder"},
    ),
}
"""Every learner that promptlab offers, with arguments for the tests; a new one gets a line here."""
