"""How many operations a pass of the text tower needs, by formula.

E is the width, H the MLP's hidden width, D the joint dimension, n the number of layers. A matrix product of r rows with
a weight (o, i) is 2 r o i operations. Needed are, for the T tokens of all tails (N of them the last of their prompt):

- forward, layers 1 to n-1: T rows through queries, keys and values (3E x E), the output (E x E) and the MLP (E x H
  twice); layer n: T rows through keys and values, N rows through the rest; the projection: N rows (E x D);
- backward: the same products once more for the gradient of their inputs (weights are frozen), except in layer 1 where
  the tails are constant and nothing before attention needs a gradient;
- prefixes that are learned: their tokens likewise, in layer n keys and values alone;
- attention: a query that sees s keys is 2 E s operations for the scores and as many for the values; backward twice
  that, in layer 1 of constant tails only what leads to the prefix and to the scores.

Not counted: norms, activations, softmax, and whatever is recomputed. Masked scores are not needed, so they don't count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from promptlab.clip.text.causal import CausalTower
from promptlab.clip.text.pairs import PairPlan
from promptlab.clip.text.tower import TextTower


@dataclass(frozen=True)
class Product:
    """A matrix product with a frozen weight.

    Args:
        rows: tokens that go through it.
        weight: (o, i).
        backward: rows of width o go back to width i.
    """

    rows: int
    weight: Tensor
    backward: bool = False

    @property
    def flop(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.weight.numel()


@dataclass(frozen=True)
class Work:
    """What one forward and backward pass needs.

    Args:
        products: with frozen weights, in the order in which they run.
        attention_flop: scores and weighted values.
    """

    products: tuple[Product, ...]
    attention_flop: int

    @property
    def product_flop(self) -> int:
        """Operations of the products with weights."""
        return sum(product.flop for product in self.products)

    @property
    def flop(self) -> int:
        """All operations that count."""
        return self.product_flop + self.attention_flop


def text_work(tower: TextTower, plan: PairPlan, *, prefix_learned: bool, tails_learned: bool) -> Work:
    """Forward and backward pass of a plan.

    Args:
        tower: a causal text tower.
        plan: the pairs.
        prefix_learned: prefixes are encoded in the pass and get gradients; otherwise they are constants kept from
            before.
        tails_learned: tails get gradients at their input.

    Raises:
        TypeError: for another tower.
        ValueError: if nothing is learned.
    """
    tower = require_causal(tower)
    if not (prefix_learned or tails_learned):
        raise ValueError("nothing is learned, so there is no backward pass to count")
    prefix_tokens = int(plan.prefix_lengths.sum()) if prefix_learned else 0
    tail_tokens = int(plan.tail_lengths[plan.pairs[:, 1]].sum())
    forward: list[Product] = []
    needless = 0  # products at the start of the backward pass's last layer that lead to constants
    last = len(tower.blocks) - 1
    for layer in range(len(tower.blocks)):
        forward += _layer(tower, layer, prefix_tokens, 0 if layer == last else prefix_tokens)
    start = len(forward)
    for layer in range(len(tower.blocks)):
        forward += _layer(tower, layer, tail_tokens, len(plan) if layer == last else tail_tokens)
        if layer == 0 and not tails_learned:
            needless = 1 if last else 2
    projection = tower.projection.weight.T if isinstance(tower.projection, nn.Linear) else tower.projection
    if isinstance(projection, Tensor):  # (E, D)
        forward.append(Product(len(plan), projection.T))
    needed = [*forward[:start], *forward[start + needless :]]
    backward = [Product(product.rows, product.weight, backward=True) for product in reversed(needed)]
    attention = _attention(tower, plan, prefix_learned=prefix_learned, tails_learned=tails_learned)
    return Work((*forward, *backward), attention)


def require_causal(tower: TextTower) -> CausalTower:
    """The tower whose work and memory the formulas count.

    Raises:
        TypeError: for another one.
    """
    if not isinstance(tower, CausalTower):
        raise TypeError(f"the formulas are those of a CausalTower, not of a {type(tower).__name__}")
    return tower


def _layer(tower: CausalTower, layer: int, rows: int, answers: int) -> Iterator[Product]:
    """One layer: ``rows`` tokens are attended to, ``answers`` of them are answered."""
    if not rows:
        return
    block, E = tower.blocks[layer], tower.width
    weight = block.attn.in_proj_weight
    if answers == rows:
        yield Product(rows, weight)
    else:
        yield Product(rows, weight[E:])
    if not answers:
        return
    if answers != rows:
        yield Product(answers, weight[:E])
    yield Product(answers, block.attn.out_proj.weight)
    yield Product(answers, block.mlp[0].weight)
    yield Product(answers, block.mlp[2].weight)


def _attention(tower: CausalTower, plan: PairPlan, *, prefix_learned: bool, tails_learned: bool) -> int:
    E, layers = tower.width, len(tower.blocks)
    flop = 0
    for block in plan.blocks:
        Lp, L = block.prefix_length, block.tail_length
        seen = Lp * L + L * (L + 1) // 2  # keys that the queries of one tail see, together
        first_backward = 8 * E * seen if tails_learned else 2 * E * seen + 4 * E * Lp * L
        last = 4 * E * (Lp + L)
        between = max(layers - 2, 0)
        flop += block.pairs * (4 * E * seen + first_backward + between * 12 * E * seen + 3 * last)
    if prefix_learned:
        flop += sum(12 * E * (layers - 1) * int(Lp) * (int(Lp) + 1) // 2 for Lp in plan.prefix_lengths)
    return flop
