"""A page on this machine that shows what a learner says of a picture."""
