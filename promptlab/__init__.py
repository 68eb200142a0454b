"""promptlab: adapt a frozen CLIP with a handful of labelled images by learning its prompts.

Names are imported when first used: ``import promptlab`` itself imports neither torch nor Hydra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from promptlab.clip.backbone import FrozenCLIP
    from promptlab.clip.loading import load_clip
    from promptlab.data.feature_bank import FeatureBank
    from promptlab.data.sampling import base_new_classes, sample_few_shot
    from promptlab.demo.datasets import demo_dataset
    from promptlab.learners.base import PromptLearner
    from promptlab.learners.clip_adapter import CLIPAdapter
    from promptlab.learners.cocoop import CoCoOp
    from promptlab.learners.coop import CoOp
    from promptlab.learners.coop_checkpoint import import_coop_checkpoint
    from promptlab.learners.kgcoop import KgCoOp
    from promptlab.learners.linear_probe import LinearProbe
    from promptlab.learners.maple import MaPLe
    from promptlab.learners.pretrained import load_learner
    from promptlab.learners.ship import SHIP
    from promptlab.learners.tip_adapter import TipAdapter, TipAdapterF
    from promptlab.learners.zero_shot import ZeroShot
    from promptlab.results.document import Result
    from promptlab.results.store import load_results
    from promptlab.training.evaluate import evaluate, predict
    from promptlab.training.fit import fit
    from promptlab.training.optim import Optim

_HOMES = {
    "SHIP": "learners.ship",
    "CLIPAdapter": "learners.clip_adapter",
    "CoCoOp": "learners.cocoop",
    "CoOp": "learners.coop",
    "FeatureBank": "data.feature_bank",
    "FrozenCLIP": "clip.backbone",
    "KgCoOp": "learners.kgcoop",
    "LinearProbe": "learners.linear_probe",
    "MaPLe": "learners.maple",
    "Optim": "training.optim",
    "PromptLearner": "learners.base",
    "Result": "results.document",
    "TipAdapter": "learners.tip_adapter",
    "TipAdapterF": "learners.tip_adapter",
    "ZeroShot": "learners.zero_shot",
    "base_new_classes": "data.sampling",
    "demo_dataset": "demo.datasets",
    "evaluate": "training.evaluate",
    "fit": "training.fit",
    "import_coop_checkpoint": "learners.coop_checkpoint",
    "load_clip": "clip.loading",
    "load_learner": "learners.pretrained",
    "load_results": "results.store",
    "predict": "training.evaluate",
    "sample_few_shot": "data.sampling",
}

__all__ = [
    "SHIP",
    "CLIPAdapter",
    "CoCoOp",
    "CoOp",
    "FeatureBank",
    "FrozenCLIP",
    "KgCoOp",
    "LinearProbe",
    "MaPLe",
    "Optim",
    "PromptLearner",
    "Result",
    "TipAdapter",
    "TipAdapterF",
    "ZeroShot",
    "__version__",
    "base_new_classes",
    "demo_dataset",
    "evaluate",
    "fit",
    "import_coop_checkpoint",
    "load_clip",
    "load_learner",
    "load_results",
    "predict",
    "sample_few_shot",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'promptlab' has no attribute {name!r}")
    return getattr(import_module(f"promptlab.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
