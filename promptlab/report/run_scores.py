"""Every number that Results may have besides their evaluation sets, in the order of the columns."""

from promptlab.report import calibrated, open_world, unequal

RUN_SCORES = (*unequal.SCORES, *open_world.SCORES, *calibrated.SCORES)
