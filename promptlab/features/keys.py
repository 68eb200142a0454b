"""Under which keys the bank keeps features: one collection for each view of a transform of a backbone."""

from __future__ import annotations

from promptlab.data.amounts import COOP_SCALE, ImageKind
from promptlab.features.collection import Collection
from promptlab.features.encode import ImageEncoder, feature_width
from promptlab.features.transforms import evaluation_transform_id, training_transform


def collections_of(
    clip: ImageEncoder,
    views: int = 0,
    crop_scale: tuple[float, float] = COOP_SCALE,
    kind: ImageKind = "projected",
    device: str | None = None,
) -> tuple[Collection, ...]:
    """The collections that a backbone's features belong to.

    Features of one collection are equal to rounding; bit for bit they are on one machine with one version of PyTorch
    and of promptlab: others may add in another order, and what the bank has stays valid.

    Args:
        clip: the backbone.
        views: 0 for the evaluation transform, K for K random training views.
        crop_scale: smallest and largest share of the area that a random view cuts; unused if ``views`` is 0.
        kind: features before the projection, and states, have collections of their own.
        device: the kind of device that encodes, such as ``cuda``; the backbone's own if None.

    Returns:
        One collection if ``views`` is 0, else K.
    """
    where = device or clip.device.type
    of_device = "" if where == "cpu" else f"@{where}"  # other devices give other bits
    transform = training_transform(clip, crop_scale).id if views else evaluation_transform_id(clip)
    of_kind = "" if kind == "projected" else f"+{kind}"
    return tuple(
        Collection(clip.fingerprint, clip.name, transform + of_kind + of_device, view, feature_width(clip, kind))
        for view in range(max(views, 1))
    )
