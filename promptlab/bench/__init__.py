"""``promptlab bench``: promptlab's steps and a plain rendering of the research code's, timed in one run.

The plain rendering is written from the papers' formulas: all tokens of the context length, a loop over images for
CoCoOp, images encoded again in every step for CoOp. It is held equal to promptlab's results before a clock is started.
"""
