"""Whether two runs have the same settings, told from their documents alone: no dataset is opened, no torch imported.

The ids of a fit say it of contents; they are known once its images are. What lies in a folder of Results is told by
this key from what a sweep has planned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from promptlab.config.trainer import telling
from promptlab.results.ids import ID_LENGTH, canonical_json

CHANGE_NOTHING = ("results", "force", "ckpt_every_s", "logger")
"""Settings that say where, how often and beside what, and nothing of what is learned and scored."""

OF_THE_MACHINE = ("device", "text_memory_mb")
"""Settings of a backbone that say where and in which portions it computes."""


def settings_key(document: Mapping[str, Any]) -> str:
    """A key that settings have in common if they mean the same run.

    Args:
        document: the settings as a Result keeps them (``config``), as ``Settings.as_document`` gives them.

    Example:
        >>> one, other = ({"seed": 1, "results": folder, "backbone": {}, "trainer": {}} for folder in "ab")
        >>> settings_key(one) == settings_key(other), settings_key(one) == settings_key({**one, "seed": 2})
        (True, False)
    """
    kept = {key: value for key, value in document.items() if key not in CHANGE_NOTHING}
    backbone = {key: value for key, value in document["backbone"].items() if key not in OF_THE_MACHINE}
    text = canonical_json({**kept, "backbone": backbone, "trainer": telling(document["trainer"])})
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]
