"""The tiny CLIP that comes with promptlab: open_clip's own classes, weights from ``promptlab.demo.pretrain``.

The file holds fp16 weights, and of the 49,408 token rows only those that training saw; the others follow from a rule
and mean nothing, so words outside the vocabulary give a warning.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transform import image_transform
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from promptlab.demo.world import WORLD_VERSION
from promptlab.support.errors import PromptlabError
from promptlab.support.words import some_of

log = logging.getLogger(__name__)

WEIGHTS = Path(__file__).with_name("weights.safetensors")
ARCHITECTURE: dict[str, Any] = {
    "embed_dim": 128,
    "vision": {"layers": 5, "width": 160, "head_width": 32, "patch_size": 8, "image_size": 32},
    "text": {"layers": 4, "width": 128, "heads": 4, "context_length": 77, "vocab_size": 49408},
    "quick_gelu": True,
}
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
TOKEN_TABLE = "token_embedding.weight"
TOKEN_IDS = "trained_token_ids"
METADATA = "promptlab"


class DemoWeightsError(PromptlabError, ValueError):
    """The demo's weights are missing, damaged, or of another picture world."""


UNKNOWN_LISTED = 10


class DemoTokenizer(SimpleTokenizer):  # type: ignore[misc]
    """CLIP's tokenizer, which can say which words the demo's training never saw.

    Args:
        trained: ids of the tokens that training saw.
    """

    def __init__(self, trained: Sequence[int]) -> None:
        self.__dict__.update(vars(_clips_own()))  # only its memo of words ever changes
        self.trained_tokens = frozenset(trained)
        self._looked_at: set[str] = set()

    def warn_of_unknown_words(self, texts: Sequence[str]) -> None:
        """Log one warning that names the words outside the vocabulary, each word once in a tokenizer's life."""
        words = {word.strip(".,!?") for text in texts for word in text.split()} - self._looked_at
        self._looked_at |= words
        unknown = sorted(word for word in words if not self.trained_tokens.issuperset(self.encode(word)))
        if unknown:
            log.warning("the demo backbone has never seen these words: %s", some_of(unknown, most=UNKNOWN_LISTED))


def build(architecture: dict[str, Any] | None = None) -> CLIP:
    """The model with random weights, drawn from torch's global state."""
    facts = architecture or ARCHITECTURE
    vision, text = CLIPVisionCfg(**facts["vision"]), CLIPTextCfg(**facts["text"])
    return CLIP(facts["embed_dim"], vision, text, quick_gelu=facts["quick_gelu"])


def load_demo_clip(path: Path = WEIGHTS) -> tuple[CLIP, DemoTokenizer, Any]:
    """The demo's model in eval mode, its tokenizer, and open_clip's evaluation transform for 32x32 pictures.

    Raises:
        DemoWeightsError: if the weights are missing, damaged, or of another picture world.
    """
    tensors, facts = _read(path)
    if facts["world_version"] != WORLD_VERSION:
        raise DemoWeightsError(f"{path} was trained on world {facts['world_version']}, this is {WORLD_VERSION}")
    ids, rows = tensors.pop(TOKEN_IDS).long(), tensors.pop(TOKEN_TABLE).float()
    table = _rule_rows(facts["architecture"]["text"]["vocab_size"], rows.shape[1], float(rows.std())).clone()
    table[ids] = rows
    with torch.random.fork_rng(devices=[]):
        model = build(_without_tokens(facts["architecture"]))
    model.token_embedding = nn.Embedding(len(table), table.shape[1], _weight=table)
    model.vocab_size = len(table)
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()} | {TOKEN_TABLE: table})
    size = model.visual.image_size[0]
    preprocess = image_transform(size, is_train=False, mean=MEAN, std=STD, interpolation="bicubic")
    return model.eval(), DemoTokenizer(ids.tolist()), preprocess


@cache
def _clips_own() -> SimpleTokenizer:
    """CLIP's vocabulary, which takes longer to build than the demo's model."""
    return SimpleTokenizer()


def _without_tokens(architecture: dict[str, Any]) -> dict[str, Any]:
    """Of two tokens: what would be drawn for all of them is replaced anyhow."""
    return architecture | {"text": architecture["text"] | {"vocab_size": 2}}


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, and the facts that pretraining wrote beside them."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads(file.metadata()[METADATA])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DemoWeightsError(f"{path}: the demo's weights can't be read ({error}); reinstall promptlab") from error


@cache
def _rule_rows(count: int, width: int, spread: float) -> Tensor:
    """Token rows that training never saw: noise of the trained rows' spread."""
    draw = np.random.RandomState(0).standard_normal((count, width)) * spread
    return torch.from_numpy(draw.astype(np.float32))
