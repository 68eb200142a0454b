import doctest
import pickle
from dataclasses import make_dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from torchmetrics import Metric
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_f1_score,
)

from promptlab.evaluation import metrics, scores
from promptlab.evaluation.metrics import Evaluator, MetricsError, evaluate_scores, top_predictions
from promptlab.results.schema import Metrics


def random_case(seed, n=200, c=7, absent=(2, 5)):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, c, generator=generator)
    present = torch.tensor([label for label in range(c) if label not in absent])
    labels = present[torch.randint(len(present), (n,), generator=generator)]
    helped = torch.rand(n, generator=generator) < 0.5
    logits[torch.arange(n)[helped], labels[helped]] += 4
    return logits, labels


@pytest.mark.parametrize("absent", [(), (2, 5), (0,), (6,)])
def test_scores_equal_sklearn_also_with_absent_classes(absent):
    """P21: CoOp's evaluator takes accuracy and macro-F1 over the labels that are there from sklearn."""
    logits, labels = random_case(1, absent=absent)
    predicted, true = logits.argmax(1).numpy(), labels.numpy()
    found = evaluate_scores(logits, labels)
    assert found.images == 200
    assert found.top1 == pytest.approx(accuracy_score(true, predicted))
    assert found.macro_f1 == pytest.approx(f1_score(true, predicted, average="macro", labels=np.unique(true)))
    recalls = [float((predicted[true == label] == label).mean()) for label in np.unique(true)]
    assert found.mean_class_accuracy == pytest.approx(np.mean(recalls))
    if not absent:  # sklearn's own also averages over classes present
        assert found.mean_class_accuracy == pytest.approx(balanced_accuracy_score(true, predicted))
    for label in range(7):
        expected = None if label in absent else pytest.approx((predicted[true == label] == label).mean())
        assert found.per_class_accuracy[label] == expected
        assert found.per_class_images[label] == (true == label).sum()


def test_torchmetrics_macro_f1_is_another_one_where_classes_are_absent():
    """Why it isn't used: classes that were predicted but have no images count there, with F1 of zero."""
    logits, labels = random_case(1)
    theirs = multiclass_f1_score(logits, labels, num_classes=7, average="macro")
    assert evaluate_scores(logits, labels).macro_f1 > float(theirs) + 0.1
    logits, labels = random_case(1, absent=())
    theirs = multiclass_f1_score(logits, labels, num_classes=7, average="macro")
    assert evaluate_scores(logits, labels).macro_f1 == pytest.approx(float(theirs), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_ece_equals_torchmetrics(seed):
    logits, labels = random_case(seed)
    theirs = multiclass_calibration_error(logits.softmax(1), labels, num_classes=7, n_bins=15)
    assert evaluate_scores(logits, labels).reliability.ece == pytest.approx(float(theirs), abs=1e-6)


def test_reliability_equals_a_plain_loop():
    logits, labels = random_case(4)
    reliability = evaluate_scores(logits, labels).reliability
    bins = [[] for _ in range(15)]
    for row, label in zip(logits.double().softmax(1).tolist(), labels.tolist(), strict=True):
        confidence = max(row)
        bins[min(int(confidence * 15), 14)].append((confidence, row.index(confidence) == label))
    ece = 0.0
    for position, members in enumerate(bins):
        assert reliability.count[position] == len(members)
        if not members:
            assert reliability.mean_confidence[position] is None
            assert reliability.accuracy[position] is None
            continue
        confidence, accuracy = (sum(values) / len(members) for values in zip(*members, strict=True))
        assert reliability.mean_confidence[position] == pytest.approx(confidence)
        assert reliability.accuracy[position] == pytest.approx(accuracy)
        ece += len(members) / 200 * abs(confidence - accuracy)
    assert reliability.ece == pytest.approx(ece)
    assert reliability.edges == pytest.approx(np.linspace(0, 1, 16))


def test_full_confidence_belongs_to_the_last_bin():
    reliability = evaluate_scores(torch.tensor([[1000.0, 0.0], [1000.0, 0.0]]), torch.tensor([0, 1])).reliability
    assert len(reliability.count) == 15
    assert reliability.count[-1] == 2
    assert reliability.mean_confidence[-1] == 1.0
    assert reliability.ece == 0.5


def test_the_first_of_equal_scores_is_the_prediction():
    logits = torch.tensor([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
    assert evaluate_scores(logits, torch.tensor([0, 1, 0])).top1 == 1
    assert evaluate_scores(logits, torch.tensor([1, 2, 2])).top1 == 0
    ids, _ = top_predictions(logits)
    assert ids.tolist() == [[0, 1, 2], [1, 2, 0], [0, 1, 2]]


@given(
    cuts=st.lists(st.integers(0, 60), max_size=6).map(sorted),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30, deadline=None)
def test_batches_dont_matter(cuts, seed):
    logits, labels = random_case(seed, n=60)
    evaluator = Evaluator(7)
    for start, stop in zip([0, *cuts], [*cuts, 60], strict=True):
        evaluator.update(logits[start:stop], labels[start:stop])
    streamed, whole = evaluator.compute(), evaluate_scores(logits, labels)
    assert streamed.reliability.ece == pytest.approx(whole.reliability.ece)
    assert streamed.reliability.count == whole.reliability.count
    assert (streamed.top1, streamed.macro_f1, streamed.per_class_accuracy) == (
        whole.top1,
        whole.macro_f1,
        whole.per_class_accuracy,
    )


def test_memory_doesnt_grow_with_images():
    evaluator = Evaluator(7)
    sizes = []
    for seed in range(3):
        evaluator.update(*random_case(seed))
        sizes.append(sum(value.numel() for value in vars(evaluator).values() if isinstance(value, torch.Tensor)))
    assert len(set(sizes)) == 1


def test_deterministic_algorithms_and_half_precision_work():
    logits, labels = random_case(0)
    torch.use_deterministic_algorithms(True)
    try:
        found = evaluate_scores(logits.bfloat16(), labels)
    finally:
        torch.use_deterministic_algorithms(False)
    assert found.top1 == pytest.approx(evaluate_scores(logits, labels).top1, abs=0.03)


def test_one_class_scores_one():
    found = evaluate_scores(torch.randn(4, 1), torch.zeros(4, dtype=torch.long))
    assert (found.top1, found.macro_f1, found.reliability.ece) == (1, 1, 0)


def test_masked_classes_may_be_minus_infinity():
    assert evaluate_scores(torch.tensor([[1.0, -torch.inf]]), torch.tensor([0])).top1 == 1


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (torch.zeros(2, 3), torch.tensor([0, 3]), r"label 3 is outside \[0, 3\)"),
        (torch.zeros(2, 3), torch.tensor([0, -1]), "label -1"),
        (torch.zeros(2, 3), torch.tensor([0]), r"expected logits \(B, 3\) and labels \(B,\)"),
        (torch.zeros(2), torch.tensor([0, 1]), r"expected logits \(N, C\)"),
        (torch.zeros(2, 3), torch.tensor([0.0, 1.0]), "integer"),
        (torch.tensor([[0.0, torch.nan]]), torch.tensor([0]), "NaN"),
        (torch.tensor([[0.0, torch.inf]]), torch.tensor([0]), "infinities"),
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), "no images"),
    ],
)
def test_what_cant_be_scored_is_refused(logits, labels, message):
    with pytest.raises(MetricsError, match=message):
        evaluate_scores(logits, labels)


def test_a_refused_batch_leaves_no_trace():
    evaluator = Evaluator(2)
    evaluator.update(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    with pytest.raises(MetricsError):
        evaluator.update(torch.tensor([[1.0, torch.nan]]), torch.tensor([0]))
    assert evaluator.compute().images == 1


def test_an_evaluator_needs_classes():
    with pytest.raises(ValueError, match="at least one class"):
        Evaluator(0)


def test_top_predictions_are_softmax_probabilities_best_first():
    logits, _ = random_case(3)
    ids, probabilities = top_predictions(logits)
    expected = logits.double().softmax(1).topk(5)
    assert torch.equal(ids, expected.indices)
    torch.testing.assert_close(probabilities, expected.values.float())
    assert probabilities.dtype == torch.float32
    assert top_predictions(logits[:, :3])[0].shape == (200, 3)


def test_the_example_runs():
    assert doctest.testmod(metrics).failed == 0
    assert doctest.testmod(scores).failed == 0


def in_batches(logits, labels, size=37):
    evaluator = Evaluator(logits.shape[1])
    for start in range(0, len(labels), size):
        evaluator.update(logits[start : start + size], labels[start : start + size])
    return evaluator


def plainly(logits, labels, size=37, n_bins=15):
    """What the evaluator computed before it was a torchmetrics.Metric, written out."""
    c = logits.shape[1]
    correct, support, predicted = (torch.zeros(c, dtype=torch.long) for _ in range(3))
    edges = torch.linspace(0, 1, n_bins + 1, dtype=torch.double)
    count, right = (torch.zeros(n_bins, dtype=torch.long) for _ in range(2))
    confidence = torch.zeros(n_bins, dtype=torch.double)
    for start in range(0, len(labels), size):
        batch, true = logits[start : start + size], labels[start : start + size]
        best = batch.argmax(1)
        sure = batch.double().softmax(1).gather(1, best[:, None])[:, 0].clamp(0, 1)
        support += true.bincount(minlength=c)
        predicted += best.bincount(minlength=c)
        correct += true[best == true].bincount(minlength=c)
        bins = torch.bucketize(sure, edges, right=True).sub(1).clamp(0, n_bins - 1)
        count += bins.bincount(minlength=n_bins)
        right += bins[best == true].bincount(minlength=n_bins)
        confidence += bins.bincount(weights=sure, minlength=n_bins)
    there, filled = support > 0, count > 0
    return {
        "top1": int(correct.sum()) / len(labels),
        "mean_class_accuracy": float((correct.double() / support)[there].mean()),
        "macro_f1": float((2 * correct.double() / (support + predicted))[there].mean()),
        "ece": float((confidence - right)[filled].abs().sum()) / len(labels),
        "mean_confidence": [float(value) for value in (confidence / count)[filled]],
    }


@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_those_of_before_to_the_last_bit(seed):
    logits, labels = random_case(seed, n=500)
    found, expected = in_batches(logits, labels).compute(), plainly(logits, labels)
    reliability = found.reliability
    assert [found.top1, found.mean_class_accuracy, found.macro_f1] == list(expected.values())[:3]
    assert reliability.ece == expected["ece"]
    assert [value for value in reliability.mean_confidence if value is not None] == expected["mean_confidence"]


def test_torchmetrics_accuracy_is_the_same_where_all_classes_have_images():
    logits, labels = random_case(2, absent=())
    found = evaluate_scores(logits, labels)
    for average, ours in (("micro", found.top1), ("macro", found.mean_class_accuracy)):
        assert float(multiclass_accuracy(logits, labels, num_classes=7, average=average)) == pytest.approx(ours)
    logits, labels = random_case(2)
    theirs = multiclass_accuracy(logits, labels, num_classes=7, average="macro")
    assert evaluate_scores(logits, labels).mean_class_accuracy > float(theirs) + 0.1


def assert_same(found, expected):
    """Equal, less what the order of a sum of floats does to confidences."""
    assert (found.images, found.top1, found.macro_f1) == (expected.images, expected.top1, expected.macro_f1)
    assert found.per_class_accuracy == expected.per_class_accuracy
    assert found.reliability.count == expected.reliability.count
    assert found.reliability.ece == pytest.approx(expected.reliability.ece, rel=1e-12)


def test_states_of_two_halves_merge_to_the_whole():
    logits, labels = random_case(5)
    first, second = in_batches(logits[:90], labels[:90]), in_batches(logits[90:], labels[90:])
    assert isinstance(first, Metric)
    before = second.compute()
    assert first.compute().images == 90
    first.merge_state(second)
    assert_same(first.compute(), evaluate_scores(logits, labels))
    assert second.compute() == before


def test_states_of_two_devices_add_up_as_under_ddp():
    """torchmetrics gathers every state and reduces it; here the other process is a second evaluator."""
    logits, labels = random_case(6)
    first, second = in_batches(logits[:90], labels[:90]), in_batches(logits[90:], labels[90:])
    theirs = iter(second.metric_state.values())
    first.dist_sync_fn = lambda state, group: [state, next(theirs)]
    first.distributed_available_fn = lambda: True
    assert_same(first.compute(), evaluate_scores(logits, labels))
    first.distributed_available_fn = lambda: False
    assert_same(first.compute(), evaluate_scores(logits[:90], labels[:90]))


def test_it_moves_copies_pickles_and_starts_again_as_metrics_do():
    logits, labels = random_case(7)
    evaluator = Evaluator(7).to("cpu")
    assert evaluator(logits, labels) == evaluate_scores(logits, labels)  # forward adds the batch and scores it
    evaluator.update(logits, labels)
    assert evaluator.compute().images == 400
    moved = evaluator.to("cpu").clone()
    assert pickle.loads(pickle.dumps(moved)).compute() == moved.compute() == evaluator.compute()
    moved.reset()
    moved.update(logits, labels)
    assert moved.compute() == evaluate_scores(logits, labels)
    assert evaluator.compute().images == 400


def test_its_states_go_to_the_device_that_it_is_moved_to():
    evaluator = Evaluator(7).to("meta")
    assert {state.device.type for state in evaluator.metric_state.values()} == {"meta"}


def test_a_new_score_is_a_class_in_the_list_and_a_field(monkeypatch):
    class LogLikelihood:
        def sums(self, batch):
            return {"log_likelihood": batch.probabilities.gather(1, batch.labels[:, None]).log().sum()}

        def fields(self, sums, images):
            return {"nll": -float(sums["log_likelihood"]) / images}

    new_metrics = make_dataclass("Metrics", [("nll", float)], bases=(Metrics,), frozen=True, kw_only=True)
    monkeypatch.setattr(metrics, "Metrics", new_metrics)
    monkeypatch.setattr(metrics, "scores", lambda n_bins: (*scores.scores(n_bins), LogLikelihood()))
    logits, labels = random_case(8)
    found = in_batches(logits, labels).compute().nll
    assert found == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)))
