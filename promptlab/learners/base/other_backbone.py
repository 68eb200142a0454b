"""A second backbone that teaches: part of a fit's id and of a saved learner's card by what its weights are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from promptlab.clip.frozen import FrozenCLIP, Precision
from promptlab.clip.guards import UnsupportedBackboneError
from promptlab.clip.weights.load import load_clip
from promptlab.support.devices import AUTO


@dataclass(frozen=True, kw_only=True)
class OtherBackbone:
    """Arguments of :func:`promptlab.load_clip` for a teacher's backbone.

    A learner takes one as an argument, calls :meth:`beside` in its constructor, holds the backbone without registering
    it, and writes :meth:`identified` into its ``arguments``: then its card says which weights taught.

    Args:
        name: the model.
        pretrained: its weights.
        quick_gelu: the activation, where the name doesn't say it.
        seed: of random weights.
        precision: of the weights.
        fingerprint: which weights these must be; None takes what is there.

    Example:
        >>> import promptlab
        >>> clip = promptlab.load_clip("demo")
        >>> teacher = OtherBackbone(name="demo")
        >>> teacher.beside(clip).dim, teacher.identified().fingerprint == clip.fingerprint
        (128, True)
    """

    name: str
    pretrained: str | None = None
    quick_gelu: bool | None = None
    seed: int | None = None
    precision: Precision = "fp32"
    fingerprint: str | None = None

    def load(self, device: str = AUTO) -> FrozenCLIP:
        """The backbone; the last one is kept.

        Raises:
            UnsupportedBackboneError: if its weights aren't those that the fingerprint names.
        """
        clip = _loaded(replace(self, fingerprint=None), device)
        if self.fingerprint is not None and clip.fingerprint != self.fingerprint:
            raise UnsupportedBackboneError(
                f"the teacher's backbone {self.name} has fingerprint {clip.fingerprint}, and {self.fingerprint} "
                "taught: give the weights that it had"
            )
        return clip

    def beside(self, clip: FrozenCLIP) -> FrozenCLIP:
        """The backbone on the device of another one, which sees the same pictures.

        Raises:
            UnsupportedBackboneError: if the two read pictures of other sizes or scales.
        """
        other = self.load(str(clip.device))
        require_same_pictures(other, clip)
        return other

    def identified(self) -> OtherBackbone:
        """The same with the fingerprint of its weights: what tells fits apart."""
        return replace(self, fingerprint=self.load().fingerprint)


def require_same_pictures(teacher: FrozenCLIP, clip: FrozenCLIP) -> None:
    """Refuse a teacher's backbone that reads pictures of another size or scale.

    Raises:
        UnsupportedBackboneError: with both.
    """
    for fact in ("image_size", "image_mean", "image_std"):
        own, wanted = getattr(teacher, fact), getattr(clip, fact)
        if own != wanted:
            raise UnsupportedBackboneError(
                f"the teacher's backbone {teacher.name} reads pictures of {fact} {own}, and {clip.name} of {wanted}: "
                "both see the same view, so choose two that agree"
            )


@lru_cache(maxsize=1)
def _loaded(other: OtherBackbone, device: str) -> FrozenCLIP:
    return load_clip(
        other.name, other.pretrained, quick_gelu=other.quick_gelu, seed=other.seed, precision=other.precision,
        device=device,
    )  # fmt: skip
