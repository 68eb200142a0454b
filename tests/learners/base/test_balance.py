"""Cross-entropy over classes of unequal numbers, against the formulas, and who may use it."""

import math

import pytest
import torch
from torch.nn import functional as F

from promptlab.learners import CLAP, SHIP, CoOp, DePT, KgCoOp, TipAdapter, TwoStage, ZeroShot
from promptlab.learners.base.balance import Balance
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.takes_balance import require_balance
from promptlab.support.errors import UsageError
from promptlab.training.fit import fit
from tests.helpers.fits import NAMES, QUIET, items
from tests.helpers.models import tiny_clip
from tests.helpers.toys import Toy

COUNTS = (6, 3, 0, 1)
LABELS = torch.tensor([label for label, count in enumerate(COUNTS) for _ in range(count)])
LOGITS = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
BATCH = torch.tensor([0, 0, 1, 3, 1])


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


def test_class_weights_are_inverse_numbers():
    balance = Balance.of("class_weights", LABELS, n_classes=4)
    weights = [10 / (3 * count) if count else 0 for count in COUNTS]
    losses = [-float(row.log_softmax(0)[label]) for row, label in zip(LOGITS, BATCH, strict=True)]
    of_batch = [weights[label] for label in BATCH.tolist()]
    expected = sum(w * loss for w, loss in zip(of_batch, losses, strict=True)) / sum(of_batch)
    assert float(balance.cross_entropy(LOGITS, BATCH)) == pytest.approx(expected, rel=1e-6)


def test_logit_adjustment_is_equation_10_of_menon():
    """-log of exp(f_y + log pi_y) / sum of exp(f_y' + log pi_y'); a class without images has no part in it."""
    balance = Balance.of("logit_adjustment", LABELS, n_classes=4)
    losses = []
    for row, label in zip(LOGITS.tolist(), BATCH.tolist(), strict=True):
        adjusted = [math.exp(value) * count / 10 for value, count in zip(row, COUNTS, strict=True)]
        losses.append(-math.log(adjusted[label] / sum(adjusted)))
    assert float(balance.cross_entropy(LOGITS, BATCH)) == pytest.approx(sum(losses) / len(losses), rel=1e-6)
    logits = LOGITS.clone().requires_grad_()
    balance.cross_entropy(logits, BATCH).backward()
    assert logits.grad.isfinite().all()


def test_no_balance_is_the_plain_loss_to_the_bit():
    assert Balance.of("none", LABELS, 4).cross_entropy(LOGITS, BATCH) == F.cross_entropy(LOGITS, BATCH)


def quick(kind, clip, **more):
    return kind(clip, NAMES, optim=Optim(epochs=1, warmup_epochs=0, batch_size=8), **more)


@pytest.mark.parametrize("balance", ["class_weights", "logit_adjustment"])
def test_a_fit_trains_by_it_and_forgets_it(clip, balance, tmp_path):
    """The loss sees the balance of the training images; with unequal ones something else is learned."""
    seen = []

    class Watched(CoOp):
        balances = True

        def loss(self, batch):
            seen.append((self.balance, batch))
            return super().loss(batch)

    train = items(0, 40)
    plain, balanced = quick(CoOp, clip, n_ctx=2), quick(Watched, clip, n_ctx=2)
    fit(plain, train, views=0, trainer=QUIET)
    fit(balanced, train, views=0, trainer=QUIET, balance=balance)
    expected = Balance.of(balance, torch.from_numpy(train.labels), len(NAMES))
    for mine, theirs in ((seen[0][0].weights, expected.weights), (seen[0][0].priors, expected.priors)):
        assert (mine is None) == (theirs is None)
        assert mine is None or torch.equal(mine, theirs)
    assert balanced.balance == Balance()
    uneven = train.take([*range(0, 40, 3), 1, 2, 4])
    again, other = quick(CoOp, clip, n_ctx=2), quick(CoOp, clip, n_ctx=2)
    fit(again, uneven, views=0, trainer=QUIET)
    fit(other, uneven, views=0, trainer=QUIET, balance=balance)
    assert not torch.equal(again.ctx, other.ctx)


@pytest.mark.parametrize("kind", [CoOp, KgCoOp, CLAP])
def test_learners_with_a_plain_cross_entropy_take_it(clip, kind):
    require_balance(quick(kind, clip), "class_weights")


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda clip: ZeroShot(clip, NAMES), "ZeroShot is trained by no gradient"),
        (lambda clip: TipAdapter(clip, NAMES), "TipAdapter is trained by no gradient"),
        (lambda clip: Toy(clip, NAMES), "the loss of Toy is not the cross-entropy that can be balanced"),
        (lambda clip: TwoStage(clip, NAMES), "the loss of TwoStage is not"),
        (lambda clip: SHIP(clip, NAMES, inner=CoOp, has_images=(True, True, False)), "the loss of SHIP is not"),
        (lambda clip: DePT(clip, NAMES, inner=CoOp), "the loss of DePT is not"),
    ],
)
def test_others_refuse_it_by_name(clip, made, why):
    learner = made(clip)
    require_balance(learner, "none")
    with pytest.raises(UsageError, match=f"balance=logit_adjustment: {why}.*use balance=none"):
        require_balance(learner, "logit_adjustment")


def test_who_overrides_a_balanced_loss_says_so_again(clip):
    class Own(KgCoOp):
        def loss(self, batch):
            return F.cross_entropy(self(batch.inputs), batch.labels)

    with pytest.raises(UsageError, match="the loss of Own"):
        require_balance(quick(Own, clip), "class_weights")
