"""``promptlab.Classifier``: what ``promptlab adapt`` does, with scikit-learn's contract."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from promptlab.class_text.templates import DEFAULT_TEMPLATE
from promptlab.clip.frozen import FrozenCLIP
from promptlab.data.items import Items
from promptlab.evaluation.given import Given
from promptlab.evaluation.predict import predict
from promptlab.evaluation.predicted import Predicted
from promptlab.learners.base.learner import PromptLearner
from promptlab.own.adapt import Options
from promptlab.own.backbone import DEFAULT_BACKBONE, backbone_named
from promptlab.own.candidates import CANDIDATES, Candidate, candidate_named
from promptlab.own.fitting import BUDGET, choose_and_fit
from promptlab.own.given_pictures import GivenPictures
from promptlab.own.posing import VIEWS, pose
from promptlab.own.training_card import training_card
from promptlab.saved.card import CARD_NAME, TrainingCard, read_card
from promptlab.saved.load import folder_of, load_learner
from promptlab.saved.save import save_learner
from promptlab.support.errors import UsageError
from promptlab.support.words import some_of

Pictures = Given | Iterable[Given]
Array = npt.NDArray[Any]


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier of pictures by a frozen CLIP, for few labelled ones.

    Pictures are paths, bytes, PIL images, or arrays (H, W, 3), in a list or as one array (N, H, W, 3); an array of
    (N, H, W) is N grey ones, as scikit-learn's digits are. Tensors have their channels first. Labels are names, or
    numbers, whose digits are then what the backbone reads as their names. As in ``promptlab adapt``, copies are held
    out together, and probabilities have a temperature that was fitted on held-out pictures.

    Args:
        backbone: one of ``promptlab list backbones``, or one that is loaded.
        learner: ``zero_shot``, ``clap``, ``tip_adapter_f`` or ``coop``; something to call with a backbone and class
            names, such as ``promptlab.TaskRes``; None chooses by cross-validation on the pictures.
        template: the hand-written prompt with ``{}`` for the name.
        views: random views of each picture that are trained on; 0 for the evaluation transform alone.
        budget: minutes that the choice may take.
        seed: of folds and fits.
        class_names: what the backbone reads for labels that are no names, ``{0: "cat"}``; others are read as they are.
            scikit-learn hands numbers on in place of names in ``cross_val_predict(method="predict_proba")`` and inside
            its ensembles and calibrators: there ``dict(enumerate(sorted(set(y))))`` gives the names back.

    Attributes:
        classes_: (C,) the labels, sorted; columns of probabilities are in their order.
        learner_: the learner that was fitted.
        scores_: what each candidate scored on held-out pictures.
        reason_: why the learner was taken.
        training_: what it was trained on, which its card keeps; None where a saved learner's card doesn't say.

    Example:
        >>> import promptlab
        >>> data = promptlab.demo_dataset("demo_textures")
        >>> pictures = [data.train.source.open(row) for row in (0, 1, 40, 41)]
        >>> classifier = promptlab.Classifier(backbone="demo", learner="tip_adapter_f", views=0)
        >>> classifier.fit(pictures, ["red stripes", "red stripes", "dots", "dots"]).predict(pictures[:1]).tolist()
        ['red stripes']
    """

    def __init__(
        self,
        backbone: str | FrozenCLIP = DEFAULT_BACKBONE,
        learner: str | Callable[[FrozenCLIP, Sequence[str]], PromptLearner] | None = None,
        template: str = DEFAULT_TEMPLATE,
        views: int = VIEWS,
        budget: float = BUDGET,
        seed: int = 1,
        class_names: Mapping[Any, str] | None = None,
    ) -> None:
        self.backbone = backbone
        self.learner = learner
        self.template = template
        self.views = views
        self.budget = budget
        self.seed = seed
        self.class_names = class_names

    def fit(self, X: Pictures, y: Sequence[Any] | Array, groups: Sequence[Any] | Array | None = None) -> Self:
        """Choose a learner where none is named, fit it on all pictures, and a temperature on held-out ones.

        Args:
            X: N pictures.
            y: (N,) labels; at least two different ones.
            groups: (N,) names; pictures of one name are never on both sides of a fold.

        Raises:
            ValueError: for another number of labels, a single class, or an option out of range.
            DatasetError: if a picture can't be read.
        """
        source = GivenPictures(X)
        labels = column_or_1d(np.asarray(y), warn=True)
        check_classification_targets(labels)
        counts = {"pictures": len(source), "labels": len(labels)} | ({} if groups is None else {"groups": len(groups)})
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{count} {what}" for what, count in counts.items())
            raise ValueError(f"one label, and one group if any, is needed for each picture; got {said}")
        classes, indices = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"Classifier got {len(classes)} class: at least two are told apart")
        how = Options(candidates=self._candidates(), template=self.template, views=self.views, budget=self.budget,
                      seed=self.seed)  # fmt: skip
        posed = pose(
            self._clip(),
            Items(source, np.arange(len(source)), indices.astype(np.int64)),
            self._names(classes.tolist()),
            how.template,
            groups=() if groups is None else [str(group) for group in groups],
            views=how.views,
            seed=how.seed,
        )
        outcome = choose_and_fit(posed.problem, how.candidates, budget=how.budget)
        self.classes_, self.learner_ = classes, outcome.learner
        self.scores_, self.reason_ = outcome.chosen.scores, outcome.chosen.reason
        self.training_: TrainingCard | None = training_card("pictures", posed.problem, outcome)
        return self

    def predict(self, X: Pictures) -> Array:
        """The label of each of N pictures, (N,); None where the learner's decision is "none of these"."""
        found = self._predicted(X)
        best: Array = self.classes_[found.probabilities.argmax(1).numpy()]
        if None in found.names:
            best = best.astype(object)
            best[[name is None for name in found.names]] = None
        return best

    def predict_proba(self, X: Pictures) -> Array:
        """Probabilities (N, C), columns in the order of ``classes_``; in float64, to which scikit-learn holds sums."""
        found = self._predicted(X)
        probabilities: Array = found.decision.probabilities(found.logits.double()).numpy()
        return probabilities

    def score(
        self, X: Pictures, y: Sequence[Any] | Array, sample_weight: Sequence[float] | Array | None = None
    ) -> float:
        """Share of right answers; "none of these" is right where the label is None, and wrong elsewhere.

        Args:
            X: N pictures.
            y: (N,) labels.
            sample_weight: (N,) what each picture counts.
        """
        answers = self.predict(X)
        if all(answer is not None for answer in answers.tolist()):
            return float(accuracy_score(y, answers, sample_weight=sample_weight))
        pairs = zip(answers.tolist(), np.asarray(y).tolist(), strict=True)
        return float(np.average([answer == label for answer, label in pairs], weights=sample_weight))

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the learner, as :meth:`PromptLearner.save_pretrained`; labels are kept as their names."""
        check_is_fitted(self)
        return save_learner(self.learner_, folder, training=self.training_)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """A fitted classifier of any saved learner; its labels are the class names, in the learner's order.

        Args:
            folder: what ``save_pretrained``, a run or ``promptlab adapt`` wrote, or an id on the hub.
        """
        folder = folder_of(folder)
        learner = load_learner(folder)
        found = cls(backbone=learner.clip, learner=partial(type(learner), **learner.arguments))
        found.training_ = read_card(folder / CARD_NAME).training
        found.learner_, found.classes_ = learner, np.array(learner.class_names)
        return found

    def _names(self, labels: Sequence[Any]) -> list[str]:
        """What the backbone reads for the labels; numbers, which scikit-learn may have made of names, are warned of."""
        given = {} if self.class_names is None else self.class_names
        if not isinstance(given, Mapping):
            raise UsageError(f"class_names={given!r}: a mapping of labels to names is needed, such as {{0: 'cat'}}")
        bare = [label for label in labels if label not in given and isinstance(label, int | float)]
        if bare:
            shown = some_of(list(map(str, bare)), 3)
            said = (
                f"labels are numbers ({shown}), which the backbone reads as digits: class_names={{0: 'cat'}} names them"
            )
            warnings.warn(said, stacklevel=3)
        return [str(given.get(label, label)) for label in labels]

    def _predicted(self, X: Pictures) -> Predicted:
        check_is_fitted(self)
        return predict(self.learner_, X)

    def _clip(self) -> FrozenCLIP:
        return _loaded(self.backbone) if isinstance(self.backbone, str) else self.backbone

    def _candidates(self) -> tuple[Candidate, ...]:
        if self.learner is None:
            return CANDIDATES
        if isinstance(self.learner, str):
            return (candidate_named(self.learner),)
        make, name = self.learner, getattr(getattr(self.learner, "func", self.learner), "__name__", "learner")
        return (Candidate(name, name, lambda clip, names, template: make(clip, names)),)

    def __sklearn_clone__(self) -> Self:
        """An unfitted classifier of the same parameters; a backbone that was given is the same one, not a copy."""
        return type(self)(**self.get_params(deep=False))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


@lru_cache(maxsize=1)
def _loaded(name: str) -> FrozenCLIP:
    """The last backbone, for the folds of a cross-validation."""
    return backbone_named(name)
