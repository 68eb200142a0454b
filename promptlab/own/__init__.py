"""One's own pictures: a learner chosen and fitted on them, what is known about it, and classes that come later."""
