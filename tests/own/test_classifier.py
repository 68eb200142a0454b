"""``promptlab.Classifier``: scikit-learn's contract, on pictures."""

import io
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

import promptlab
import promptlab.own.held_out
from promptlab.support.errors import DatasetError
from tests.helpers.drawn import pictures
from tests.helpers.quick_candidates import quick  # noqa: F401  # a fixture

OF_SKLEARN = (
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_unfitted",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
)
"""Those of its checks that fit nothing: all others fit to rows of numbers, which are no pictures."""


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Paths of three classes of 4, and their names."""
    folder = tmp_path_factory.mktemp("pictures")
    pictures(folder, 3, 4)
    paths = sorted(folder.glob("*/*.png"))
    return paths, [path.parent.name for path in paths]


def classifier(**changes):
    return promptlab.Classifier(**({"backbone": "demo", "learner": "zero_shot", "views": 0} | changes))


@pytest.fixture(scope="module")
def fitted(given):
    return classifier(learner="tip_adapter_f").fit(*given)


@pytest.mark.parametrize("name", OF_SKLEARN)
def test_scikit_learns_own_check(name):
    check = getattr(estimator_checks, name, None)
    if check is None:  # earlier ones have fewer
        pytest.skip(f"this scikit-learn has no {name}")
    check("Classifier", classifier())


def test_what_it_predicts_are_labels_and_probabilities_in_the_order_of_classes(fitted, given):
    paths, names = given
    assert fitted.classes_.tolist() == sorted(set(names))
    predicted, probabilities = fitted.predict(paths), fitted.predict_proba(paths)
    assert set(predicted) <= set(names)
    assert probabilities.shape == (12, 3)
    assert np.allclose(probabilities.sum(1), 1)
    assert (predicted == fitted.classes_[probabilities.argmax(1)]).all()
    assert fitted.score(paths, names) == (predicted == np.array(names)).mean()
    assert fitted.scores_[0].accuracy is not None
    assert fitted.reason_.startswith("tip_adapter_f was asked for")


def test_a_picture_is_the_same_however_it_is_given(fitted, given):
    path = given[0][0]
    image = Image.open(path).convert("RGB")
    array = np.array(image)
    forms = [str(path), path.read_bytes(), io.BytesIO(path.read_bytes()), image, array,
             torch.from_numpy(array).permute(2, 0, 1)]  # fmt: skip
    found = fitted.predict_proba(forms)
    assert np.allclose(found, found[0], atol=1e-6)
    assert np.allclose(fitted.predict_proba(np.array([str(path)])), found[:1], atol=1e-6)
    assert np.allclose(fitted.predict_proba(np.stack([array, array])), found[:2], atol=1e-6)


def test_three_grey_pictures_in_one_array_are_no_picture_of_three_channels():
    greys = np.random.RandomState(0).randint(256, size=(4, 24, 24), dtype=np.uint8)
    with pytest.raises(DatasetError, match=r"can be 4 grey pictures"):
        classifier().fit(greys, ["a", "a", "b", "b"])
    assert len(classifier().fit(list(greys), ["a", "a", "b", "b"]).predict(np.concatenate([greys, greys]))) == 8


def test_fitting_to_any_form_gives_the_same_learner(fitted, given):
    paths, names = given
    forms = [path.read_bytes() if place % 2 else np.array(Image.open(path)) for place, path in enumerate(paths)]
    again = classifier(learner="tip_adapter_f").fit(forms, np.array(names))
    assert torch.allclose(again.learner_.keys, fitted.learner_.keys, atol=1e-5)


def test_fitting_again_gives_the_same_and_changes_no_parameter(fitted, given):
    before = fitted.get_params()
    expected = fitted.predict_proba(given[0])
    assert np.array_equal(fitted.fit(*given).predict_proba(given[0]), expected)
    assert fitted.get_params() == before


def test_order_of_pictures_and_batches_change_nothing(fitted, given):
    whole = fitted.predict_proba(given[0])
    assert np.allclose(fitted.predict_proba(given[0][::-1])[::-1], whole, atol=1e-6)
    assert np.allclose(np.concatenate([fitted.predict_proba([path]) for path in given[0]]), whole, atol=1e-6)


def test_labels_may_be_numbers(given):
    with pytest.warns(UserWarning, match="labels are numbers"):
        found = classifier().fit(given[0], np.repeat([7, 3, 5], 4))
    assert found.classes_.tolist() == [3, 5, 7]
    assert found.learner_.class_names == ("3", "5", "7")
    assert found.predict(given[0]).dtype == np.int64


def test_cross_validation_pipelines_and_groups(given, monkeypatch):
    paths, names = given
    scores = cross_val_score(classifier(), paths, names, cv=2)
    assert len(scores) == 2
    assert (scores >= 0).all()
    pipeline = make_pipeline(FunctionTransformer(lambda paths: [str(path) for path in paths]), classifier())
    assert pipeline.fit(paths, names).score(paths, names) == classifier().fit(paths, names).score(paths, names)
    assert len(cross_val_score(classifier(), paths, names, groups=[0, 1, 2, 3] * 3, cv=GroupKFold(2))) == 2


def test_groups_are_never_on_both_sides_of_a_fold(given, monkeypatch):
    trained = []
    fit = promptlab.own.held_out.fit

    def watched(learner, items, **options):
        trained.append({items.source.describe(index) for index in items.indices})
        return fit(learner, items, **options)

    monkeypatch.setattr(promptlab.own.held_out, "fit", watched)
    paths, names = given
    groups = ["a", "b", "c", "c"] * 3
    classifier().fit(paths, names, groups=groups)
    of_group = [{str(path) for path, group in zip(paths, groups, strict=True) if group == one} for one in "abc"]
    assert all(not group & fold or group <= fold for fold in trained for group in of_group)
    assert any(not group <= fold for fold in trained for group in of_group)


def test_a_choice_is_among_all_candidates(given, quick):  # noqa: F811
    found = classifier(learner=None).fit(*given)
    assert [one.name for one in found.scores_] == [one.name for one in quick]
    assert type(found.learner_).__name__ in ("ZeroShot", "CLAP", "TipAdapterF", "CoOp")


def test_a_learner_of_one_s_own(given):
    def mine(clip, class_names):
        return promptlab.ZeroShot(clip, class_names, template="a drawing of a {}.")

    found = classifier(learner=mine).fit(*given)
    assert found.learner_.arguments["template"] == "a drawing of a {}."
    assert found.reason_.startswith("mine was asked for")


def test_saved_and_read_again_it_predicts_the_same(fitted, given, tmp_path):
    read = promptlab.Classifier.from_pretrained(fitted.save_pretrained(tmp_path))
    assert read.training_ == fitted.training_ == promptlab.read_card(tmp_path / "card.json").training
    assert (read.training_.protocol, read.training_.shots, read.training_.train_images) == ("adapt", 4, 12)
    assert np.allclose(read.predict_proba(given[0]), fitted.predict_proba(given[0]), atol=1e-6)
    assert read.predict(given[0]).tolist() == fitted.predict(given[0]).tolist()
    assert clone(read).backbone is read.backbone  # not a copy of hundreds of megabytes


def test_a_fitted_one_can_be_pickled(fitted, given):
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict_proba(given[0]) == fitted.predict_proba(given[0])).all()


def test_probabilities_sum_to_one_as_scikit_learn_checks_it(fitted, given):
    assert np.abs(fitted.predict_proba(given[0]).sum(1) - 1).max() < 1e-12


def test_a_saved_one_is_fitted_again_as_it_was(fitted, given, tmp_path):
    read = promptlab.Classifier.from_pretrained(fitted.save_pretrained(tmp_path))
    again = clone(read).set_params(views=0).fit(*given)
    assert again.learner_.arguments == fitted.learner_.arguments
    assert again.reason_.startswith("TipAdapterF was asked for")
    assert np.allclose(again.predict_proba(given[0]), fitted.predict_proba(given[0]), atol=1e-6)


def test_names_come_back_where_scikit_learn_makes_numbers_of_them(given):
    paths, names = given
    named = classifier(class_names=dict(enumerate(sorted(set(names)))))
    found = cross_val_predict(named, paths, names, cv=2, method="predict_proba")
    expected = [classifier().fit(paths, names).predict_proba([path])[0] for path in paths]  # folds choose temperatures
    assert found.argmax(1).tolist() == np.argmax(expected, axis=1).tolist()
    with pytest.warns(UserWarning, match=r"labels are numbers \(0, 1, 2\), which the backbone reads as digits"):
        classifier().fit(paths, np.repeat([0, 1, 2], 4))
    with pytest.raises(ValueError, match=r"class_names=.*a mapping of labels to names is needed"):
        classifier(class_names=["a", "b", "c"]).fit(paths, names)


def test_none_of_these_is_none(fitted, given, tmp_path):
    read = promptlab.Classifier.from_pretrained(fitted.save_pretrained(tmp_path))
    others = (read.classes_[0],)
    read.learner_.decision = type(read.learner_.decision)(others=others)
    predicted = read.predict(given[0])
    assert None in predicted
    assert read.classes_[0] not in predicted
    assert read.score(given[0], given[1]) == np.mean(predicted == np.array(given[1], dtype=object)) < 1
    assert read.score(given[0], [None if name in others else name for name in given[1]]) > read.score(*given)
    weights = [float(name not in others) for name in given[1]]
    assert read.score(*given, sample_weight=weights) > read.score(*given)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"learner": "cop"}, "did you mean coop"),
        ({"views": -1}, "views=-1"),
        ({"budget": 0}, "budget=0"),
        ({"seed": "one"}, "seed='one'"),
        ({"backbone": "vit_b17"}, "vit_b17"),
    ],
)
def test_parameters_are_checked_when_it_is_fitted(given, changes, said):
    with pytest.raises(ValueError, match=said):
        classifier(**changes).fit(*given)


def test_what_can_t_be_fitted_is_said(given, tmp_path):
    paths, names = given
    with pytest.raises(ValueError, match="is needed for each picture; got 12 pictures, 11 labels"):
        classifier().fit(paths, names[1:])
    with pytest.raises(ValueError, match="got 12 pictures, 12 labels, 2 groups"):
        classifier().fit(paths, names, groups=["a", "b"])
    with pytest.raises(ValueError, match="got 1 class: at least two are told apart"):
        classifier().fit(paths, ["one"] * 12)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        classifier().fit(paths, np.linspace(0, 1, 12))
    with pytest.raises(TypeError, match="a float is no picture"):
        classifier().fit([0.5, 0.5], ["a", "b"])
    with pytest.raises(DatasetError, match=r"1\.png can't be read"):
        classifier().fit([tmp_path / "1.png", paths[0]], ["a", "b"])
    with pytest.raises(NotFittedError):
        classifier().save_pretrained(tmp_path)
