"""Zero-shot CLIP: one template and ensembles against the plain formula."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.class_text.templates import SELECT_TEMPLATES
from promptlab.learners import ZeroShot
from tests.helpers.models import tiny_clip

NAMES = ["cat", "golden_retriever", "sea or lake"]
OWN = "a photo of a {}, a type of pet."


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


def plain(clip, templates):
    """CLIP's recipe, class by class with open_clip's own encoder."""
    rows = []
    for name in NAMES:
        texts = [template.format(name.replace("_", " ")) for template in templates]
        features = clip.model.encode_text(clip.tokenizer(texts), normalize=True)
        rows.append(F.normalize(features.mean(0), dim=-1))
    return torch.stack(rows)


def test_one_template(clip):
    learner = ZeroShot(clip, NAMES, template=OWN)
    torch.testing.assert_close(learner.text_features(), plain(clip, [OWN]), atol=1e-5, rtol=0)


def test_select_is_seven_templates_and_the_datasets_own(clip):
    learner = ZeroShot(clip, NAMES, template=OWN, templates="select")
    assert len(SELECT_TEMPLATES) == 7
    torch.testing.assert_close(learner.text_features(), plain(clip, [*SELECT_TEMPLATES, OWN]), atol=1e-5, rtol=0)


def test_select_only_is_seven_templates(clip):
    learner = ZeroShot(clip, NAMES, template=OWN, templates="select_only")
    torch.testing.assert_close(learner.text_features(), plain(clip, SELECT_TEMPLATES), atol=1e-5, rtol=0)


def test_a_list_of_ones_own(clip):
    templates = ["{} texture.", "a blurry {}."]
    learner = ZeroShot(clip, NAMES, template=OWN, templates=templates)
    torch.testing.assert_close(learner.text_features(), plain(clip, templates), atol=1e-5, rtol=0)


def test_logits_are_scaled_cosines(clip):
    images = F.normalize(torch.randn(4, clip.dim, generator=torch.Generator().manual_seed(0)), dim=-1)
    expected = clip.model.logit_scale.exp() * images @ plain(clip, [OWN]).T
    torch.testing.assert_close(ZeroShot(clip, NAMES, template=OWN)(images), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    "arguments", [{"template": "a photo"}, {"templates": ["{} one", "two"]}, {"templates": "selected"}]
)
def test_bad_templates_are_named(clip, arguments):
    with pytest.raises(ValueError, match=r"\{\}"):
        ZeroShot(clip, NAMES, **arguments)
