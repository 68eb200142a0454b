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

ADDED_LATER: Mapping[str, Mapping[str, Any]] = {
    "": {"balance": "none", "calibration": "none"},
    "protocol": {"rule": "coop", "lists": None, "draw": "balanced", "imbalance": 10.0},
    "learner": {
        "keep_states": None,
        "position": "all",
        "target_templates": None,
        "target_teacher_templates": None,
        "target_tail_templates": None,
        "tuning": "norms",
    },
}
"""Settings that came after there were Results: group (none is the run's own) to its keys, with what all had before."""

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
    own = {key: value for key, value in document.items() if key not in CHANGE_NOTHING}
    kept = {key: _as_before(key, value) if isinstance(value, Mapping) else value for key, value in own.items()}
    kept = _as_before("", kept)
    backbone = {key: value for key, value in document["backbone"].items() if key not in OF_THE_MACHINE}
    text = canonical_json({**kept, "backbone": backbone, "trainer": telling(document["trainer"])})
    return hashlib.sha256(text.encode()).hexdigest()[:ID_LENGTH]


def _as_before(group: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without those that came later and change nothing."""
    later = ADDED_LATER.get(group, {})
    return {key: value for key, value in settings.items() if key not in later or value != later[key]}
