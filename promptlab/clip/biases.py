"""Biases that train beside a frozen tower, as BitFit has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from promptlab.clip.adapters import Adapters, BlockAdapter, Branch

_Named = Mapping[str, Any]


class TowerBiases(nn.Module):
    """Copies of a tower's biases, fp32 and trainable: of layer norms, of the MLP's products, and behind attention.

    Those of queries, keys and values aren't among them, which CLIP's blocks hold as one tensor of another name.

    Args:
        blocks: the modules of its layers.
        norms: its layer norms outside of these, ``ln_pre`` and ``ln_post``; what has no bias is left out.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> biases = TowerBiases(clip.text_blocks, clip.text_norms)
        >>> sorted(biases.blocks[0]), sorted(biases.norms)
        (['c_fc', 'c_proj', 'ln_1', 'ln_2', 'out_proj'], ['ln_post'])
    """

    def __init__(self, blocks: Iterable[Any], norms: _Named) -> None:
        super().__init__()
        self._frozen_blocks = [_parts(block) for block in blocks]  # unregistered: the backbone's, not the learner's
        self._frozen_norms = {name: norm for name, norm in norms.items() if getattr(norm, "bias", None) is not None}
        self.blocks = nn.ModuleList(_copies(parts) for parts in self._frozen_blocks)
        self.norms = _copies(self._frozen_norms)

    def adapters(self) -> Adapters:
        """The biases in place of the tower's."""
        last = len(self.blocks) - 1
        around = {name: _pair(norm, self.norms[name]) for name, norm in self._frozen_norms.items()}
        adapters = {}
        for i, parts in enumerate(self._frozen_blocks):
            own: Any = self.blocks[i]
            adapters[i] = BlockAdapter(
                ln_1=_pair(parts["ln_1"], own["ln_1"]),
                ln_2=_pair(parts["ln_2"], own["ln_2"]),
                o=_shift(parts["out_proj"], own["out_proj"]),
                fc=_shift(parts["c_fc"], own["c_fc"]),
                proj=_shift(parts["c_proj"], own["c_proj"]),
                ln_pre=around.get("ln_pre") if i == 0 else None,
                ln_post=around.get("ln_post") if i == last else None,
            )
        return adapters


def _parts(block: Any) -> dict[str, Any]:
    products = {"c_fc": block.mlp.c_fc, "c_proj": block.mlp.c_proj, "out_proj": block.attn.out_proj}
    return {"ln_1": block.ln_1, "ln_2": block.ln_2, **products}


def _copies(parts: _Named) -> nn.ParameterDict:
    return nn.ParameterDict({name: nn.Parameter(part.bias.detach().float().clone()) for name, part in parts.items()})


def _pair(norm: Any, bias: Tensor) -> tuple[Tensor, Tensor]:
    return norm.weight.float(), bias


def _shift(product: Any, bias: Tensor) -> Branch:
    """What a product lacks whose bias is another one."""
    return lambda x: bias - product.bias.float()
