"""What the golden file of MMRL and MMRL++ holds besides scores and loss: the second head, and the loss's parts."""

import torch
from torch.nn import functional as F

from tests.helpers.prompts_golden import close


def heads_held(learner, images, labels, expected):
    """Of a learner with the authors' parameters in place.

    Args:
        learner: MMRL or MMRL++.
        images: (B, 3, H, W).
        labels: (B,).
        expected: the authors' tensors of the method, by name.
    """
    clip = learner.clip
    with torch.no_grad():
        texts, (features, of_tokens) = learner.text_features(), learner.image_features(images)
        _, plain = learner._below(images)
    first, second = clip.logits(features, texts), clip.logits(of_tokens, texts)
    torch.testing.assert_close(second, expected["logits_rep"], atol=1e-4, rtol=0)
    close(plain, expected["teacher.image_features"], 1e-5)
    close(learner.texts.features, expected["teacher.text_features"], 1e-5)
    parts = {
        "ce": F.cross_entropy(first, labels),
        "ce_rep": F.cross_entropy(second, labels),
        "image": 1 - F.cosine_similarity(features, plain).mean(),
        "text": 1 - F.cosine_similarity(texts, learner.texts.features).mean(),
    }
    for name, part in parts.items():
        torch.testing.assert_close(part, expected[f"loss.{name}"], atol=1e-5, rtol=1e-5)
