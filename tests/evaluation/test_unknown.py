"""How known images are told from unknown ones, against the definitions written out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from promptlab.evaluation.unknown import detection, knownness, openworld_auc, right

scores = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=12).map(np.array)


@given(scores, scores)
def test_auroc_and_fpr_are_counts_of_pairs_and_images(known, unknown):
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in known for b in unknown]
    found = detection(known, unknown)
    assert found.auroc == pytest.approx(sum(pairs) / len(pairs))
    rates = [(sum(a >= t for a in known) / len(known), sum(b >= t for b in unknown) / len(unknown)) for t in {*known}]
    assert found.fpr95 == min(false for true, false in rates if true >= 0.95)


@given(scores, scores)
def test_average_precision_looks_for_known_or_for_unknown_images(known, unknown):
    def precision(wanted, others):
        total = 0.0
        for t in sorted({*wanted}):  # recall rises by the images at t; precision is that of all from t on
            at, above = sum(wanted == t), sum(wanted >= t)
            total += at / len(wanted) * above / (above + sum(others >= t))
        return total

    found = detection(known, unknown)
    assert found.aupr_in == pytest.approx(precision(known, unknown))
    assert found.aupr_out == pytest.approx(precision(-unknown, -known))


def test_95_percent_of_the_known_images_is_no_image_fewer():
    known = np.arange(20.0)
    assert detection(known, np.array([0.5, 1.0])).fpr95 == 0.5  # 19 of 20 known images score at least 1
    assert detection(known[:19], np.array([0.5, 1.0])).fpr95 == 1.0  # of 19 all are needed


@given(st.data(), scores, scores)
def test_openworld_auc_is_the_share_of_pairs_that_are_right_in_all_three_ways(data, known, new):
    """Hua et al., the definition: both put into their classes, and the base image ranked strictly above."""
    flags = [torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(s), max_size=len(s)))) for s in (known, new)]
    pairs = [
        bool(flags[0][i]) and bool(flags[1][j]) and known[i] > new[j]
        for i in range(len(known))
        for j in range(len(new))
    ]
    assert openworld_auc(known, flags[0], new, flags[1]) == pytest.approx(sum(pairs) / len(pairs))


@pytest.mark.parametrize("temperature", [1.0, 0.5, 100.0])
def test_scores_are_the_formulas_of_their_papers(temperature):
    logits = 5 * torch.randn(6, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for row, msp, most, energy in zip(
        logits, *(knownness(logits, name, temperature) for name in ("msp", "max_logit", "energy")), strict=True
    ):
        powers = [np.exp(float(value) / temperature) for value in row]
        assert msp == pytest.approx(max(powers) / sum(powers))
        assert most == float(row.max())
        assert energy == pytest.approx(temperature * np.log(sum(powers)))


def test_confident_images_of_half_precision_are_still_told_apart():
    logits = torch.tensor([[40.0, 0.0], [42.0, 0.0]])
    assert logits.softmax(1).amax(1).tolist() == [1.0, 1.0]
    assert knownness(logits / 2)[0] < knownness(logits / 2)[1]


def test_right_is_the_first_of_the_best():
    assert right(torch.tensor([[1.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0])).tolist() == [True, False]
