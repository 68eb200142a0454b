"""What tells items from others for who reads their features, where those were given and not encoded."""

from __future__ import annotations

from promptlab.data.items import Items
from promptlab.data.sources.features import FeatureRows


def contents_read(items: Items, normalised: bool) -> list[str]:
    """Content ids of items, in which the lengths of given features count for who reads them.

    Args:
        items: N items.
        normalised: whether features are read L2-normalised.
    """
    if normalised or not isinstance(items.source, FeatureRows):
        return items.content_ids()
    return items.source.raw_content_ids(items.indices)
