"""From a learner and items to logits, scores and predictions."""
