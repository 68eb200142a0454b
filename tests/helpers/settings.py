"""Settings from overrides, as a command line would give them."""

from promptlab.config.check import check
from promptlab.config.compose import composed
from promptlab.config.overrides import opened


def settings_of(overrides):
    return check(composed([opened(override) for override in overrides]))
