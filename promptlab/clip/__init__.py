"""The frozen backbone: loading, image and text encoding, prompts, the exact text tower."""

from promptlab.clip.backbone import FrozenCLIP
from promptlab.clip.guards import UnsupportedBackboneError
from promptlab.clip.loading import load_clip
from promptlab.clip.pairs import PairPlan
from promptlab.clip.prompts import ClassPrompts
from promptlab.clip.ragged import Ragged

__all__ = ["ClassPrompts", "FrozenCLIP", "PairPlan", "Ragged", "UnsupportedBackboneError", "load_clip"]
