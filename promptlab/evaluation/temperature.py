"""One temperature that makes a learner's probabilities honest, fitted on pictures that it was not trained on.

Temperature scaling is by Guo et al., "On Calibration of Modern Neural Networks", 2017 (https://arxiv.org/abs/1706.04599).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

LEAST, MOST = 0.05, 20.0
"""Between which a temperature is looked for."""
_PRECISION = 1e-7  # of the logarithm


def fit_temperature(logits: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """What logits are divided by for the least mean negative log-likelihood.

    With every picture right that has no minimum: the smaller the better. Then it is what makes the mean probability of
    the N pictures' own classes (N + 1) / (N + 2), by Laplace's rule of succession, so that a handful of pictures that
    are all right isn't taken for certainty. No pictures, one class, or logits that are all alike say nothing: 1.

    Args:
        logits: (N, C) before the softmax, of held-out pictures; validation or folds, never test.
        labels: (N,) class indices in [0, C).

    Returns:
        The temperature, from 0.05 to 20, found in float64.

    Raises:
        ValueError: for other shapes, labels out of range, and logits that aren't finite.

    Example:
        >>> logits = [[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]]
        >>> round(fit_temperature(logits, [0, 0, 0, 1]), 3)  # 3 of 4 are right: 4 / ln 3 gives a probability of 0.75
        3.641
    """
    above = _above_own_class(np.asarray(logits, np.float64), np.asarray(labels))
    if not above.any():
        return 1.0
    images = len(above)

    def loss(log_temperature: float) -> float:
        return float(_log_sums(above, log_temperature).mean())

    def unsure(log_temperature: float) -> float:
        return (images + 1) / (images + 2) - float(np.exp(-_log_sums(above, log_temperature)).mean())

    all_right = bool((above <= 0).all())
    return float(np.exp(_root(unsure) if all_right else _minimum(loss)))


def _above_own_class(logits: npt.NDArray[np.float64], labels: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """(N, C) how far above the logit of the image's own class each class's is."""
    if logits.size == 0 and len(labels) == 0:
        return np.empty((0, 0))
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(f"logits (N, C) and labels (N,) are needed, got {logits.shape} and {labels.shape}")
    if not np.isfinite(logits).all():
        raise ValueError("logits hold NaN or infinities: no temperature can be fitted to them (did training diverge?)")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(f"labels must be class indices in [0, {logits.shape[1]})")
    own: npt.NDArray[np.float64] = np.take_along_axis(logits, labels[:, None], axis=1)  # (N, 1)
    return logits - own


def _log_sums(above: npt.NDArray[np.float64], log_temperature: float) -> npt.NDArray[np.float64]:
    """(N,) negative log-likelihoods of the images' own classes."""
    from scipy.special import logsumexp  # scipy is slow to import, and prediction needs none

    sums: npt.NDArray[np.float64] = logsumexp(above / np.exp(log_temperature), axis=1)
    return sums


def _minimum(loss: Callable[[float], float]) -> float:
    """Where the loss is least; it is convex in 1 / temperature, so that there is one valley."""
    from scipy.optimize import minimize_scalar

    bounds = (np.log(LEAST), np.log(MOST))
    return float(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": _PRECISION}).x)


def _root(rising: Callable[[float], float]) -> float:
    """Where a rising function is 0, or the bound that is nearer to it."""
    from scipy.optimize import brentq

    low, high = np.log(LEAST), np.log(MOST)
    if rising(low) >= 0 or rising(high) <= 0:
        return float(low if rising(low) >= 0 else high)
    return float(brentq(rising, low, high, xtol=_PRECISION))
