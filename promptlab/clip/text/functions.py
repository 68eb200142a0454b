"""A text tower that is a user's own function of whole texts: it gives features, and takes no prompt vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NoReturn

import torch
from torch import Tensor

from promptlab.clip.adapters import Adapters
from promptlab.clip.guards import UnsupportedBackboneError
from promptlab.clip.text.pairs import PairPlan
from promptlab.clip.text.ragged import Ragged
from promptlab.clip.text.tower import DeepPrompts, PrefixStates

TextFunction = Callable[[Sequence[str]], Tensor]
"""N texts to their features (N, D)."""


class FunctionTower:
    """Features of whole texts; whatever else a text tower is asked for is refused with the reason.

    Args:
        function: N texts to (N, D).
        device: where features go.
        name: what messages call the model.
    """

    def __init__(self, function: TextFunction, device: torch.device, name: str) -> None:
        self.function = function
        self.device = device
        self.name = name

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Features (N, D) of whole texts, fp32, of the length that the function gives them."""
        return self.function(list(texts)).detach().to(self.device).float()

    @cached_property
    def dim(self) -> int:
        """D, width of a text feature."""
        return int(self.encode_texts(["a photo"]).shape[1])

    @property
    def dtype(self) -> torch.dtype:
        """What features come in."""
        return torch.float32

    @property
    def width(self) -> int:
        """Refused, as all that follows."""
        self._refuse()

    @property
    def layers(self) -> int:
        """Refused."""
        self._refuse()

    @property
    def blocks(self) -> Sequence[Any]:
        """Refused."""
        self._refuse()

    @property
    def context_length(self) -> int:
        """Refused."""
        self._refuse()

    @property
    def token_table(self) -> Tensor:
        """Refused."""
        self._refuse()

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Refused."""
        self._refuse()

    def prefix_states(self, prefixes: Ragged) -> PrefixStates:
        """Refused."""
        self._refuse()

    def hidden_states(self, prefixes: Ragged, tails: Ragged, pairs: PairPlan, layer: int) -> tuple[Ragged, Ragged]:
        """Refused."""
        self._refuse()

    def encode(
        self,
        prefixes: Ragged | PrefixStates,
        tails: Ragged,
        pairs: Tensor | PairPlan,
        *,
        deep: DeepPrompts | None = None,
        queries: Tensor | None = None,
        normalised: bool = True,
        share: float = 1.0,
        start: int | None = None,
        adapters: Adapters | None = None,
    ) -> Tensor:
        """Refused."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UnsupportedBackboneError(
            f"{self.name} can't take prompt vectors: it is made of functions (FrozenCLIP.from_functions), and its "
            "encode_text takes whole texts. Zero-shot, adapters and probes run on it; prompt learners need a CLIP of "
            "open_clip's or transformers'"
        )
