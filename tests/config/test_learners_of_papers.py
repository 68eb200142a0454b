"""A learner's YAML comes to what its paper's scripts say, whole, and its constructor to the same: composed, not run."""

import inspect

import pytest

from promptlab.learners import IVLP, VPT, PromptSRC
from promptlab.learners.base.optim import Optim
from promptlab.support.signatures import signature_of
from tests.helpers.models import class_names, tiny_clip
from tests.helpers.settings import settings_of

COOP_CROP, TIP_CROP = (0.08, 1.0), (0.5, 1.0)
DASSL = {"name": "sgd", "lr": 0.002, "momentum": 0.9, "weight_decay": 5e-4, "batch_size": 32, "schedule": "cosine",
         "warmup_epochs": 1, "warmup_lr": 1e-5}  # fmt: skip
TEXTS = {"templates": None, "prompts": None, "crop": COOP_CROP}
PROMPTS = {"n_ctx_text": 4, "n_ctx_vision": 4, "prompt_depth_text": 9, "prompt_depth_vision": 9,
           "ctx_init": "a photo of a", "crop": COOP_CROP}  # fmt: skip
IMAGES = DASSL | {"lr": 0.0025, "batch_size": 4, "epochs": 20}
PROBE = TEXTS | {"optim": DASSL | {"lr": 0.1, "weight_decay": 0, "batch_size": 256, "epochs": 300}}
ADAM = {key: value for key, value in DASSL.items() if key != "momentum"} | {"name": "adam"}
ON_IMAGENET = {"dataset": "imagenet"}

ALL = {
    "ivlp": (PROMPTS | {"optim": IMAGES}, {"protocol": "base_to_new"}),
    "vpt": (TEXTS | {"n_ctx_vision": 8, "prompt_depth_vision": 12, "optim": IMAGES | {"epochs": 5}},
            {"protocol": "base_to_new"}),
    "promptsrc": (PROMPTS | {"text_loss_weight": 25, "image_loss_weight": 10, "gpa_mean": 15, "gpa_std": 1,
                             "optim": IMAGES}, {"protocol": "base_to_new"}),
    "zslp": (PROBE, {}),
    "clap": (PROBE, {}),
    "taskres": (TEXTS | {"alpha": 0.5, "optim": ADAM | {"batch_size": 256, "epochs": 100}}, {"shots": 4}),
    "lp_plus_plus": (TEXTS | {"epochs": 300, "alpha_gradient": "accumulated", "choose_epoch": True, "crop": TIP_CROP},
                     {}),
    "gda": (TEXTS | {"covariance": "shrunk", "alpha": None, "neighbours": 64, "text_copies": 16, "crop": TIP_CROP}, {}),
    "prograd": ({"n_ctx": 16, "words_start": True, "teacher_template": "a photo of a {}.", "target_templates": None,
                 "strength": 1, "temperature": 1, "optim": DASSL | {"epochs": 200}, "crop": COOP_CROP}, {}),
    "tcp": ({"n_ctx": 4, "layer": 9, "teacher_template": None, "tail_template": None, "target_teacher_templates": None,
             "target_tail_templates": None, "weight": 8, "optim": ADAM | {"eps": 1e-3, "epochs": 50},
             "crop": COOP_CROP}, {}),
    "tip_adapter": (TEXTS | {"alpha": 1.17, "beta": 1, "search": True, "search_scale": [7, 3],
                             "search_step": [200, 20], "crop": TIP_CROP}, {}),
    "tip_adapter_f": (TEXTS | {"alpha": 1.17, "beta": 1, "search": True, "search_scale": [7, 3],
                               "search_step": [200, 20], "crop": TIP_CROP,
                               "optim": {"name": "adamw", "lr": 1e-3, "eps": 1e-4, "weight_decay": 0.01, "epochs": 20,
                                         "batch_size": 256, "drop_last": False, "schedule": "cosine_per_step",
                                         "warmup_epochs": 0}}, {}),
    "clip_adapter": (TEXTS | {"ratio": 0.2, "reduction": 4, "optim": DASSL | {"epochs": 200}}, {}),
}  # fmt: skip
"""Learner to all of its settings, and where they hold: on Caltech101, few-shot with 16, if nothing else is said."""
DIFFERING = [
    *((name, ON_IMAGENET, {"templates": "select"}) for name in ("zslp", "clap")),
    ("taskres", ON_IMAGENET, {"templates": "select", "optim.lr": 0.0002, "optim.epochs": 200}),
    ("taskres", {"dataset": "oxford_flowers", "shots": 1}, {"alpha": 1, "optim.lr": 0.002, "optim.epochs": 100}),
    ("taskres", {"shots": 8}, {"alpha": 0.5, "optim.epochs": 200}),
    ("lp_plus_plus", ON_IMAGENET, {"templates": "select_only"}),
    ("gda", ON_IMAGENET, {"templates": "select_only", "covariance": "shrunk"}),
    ("gda", ON_IMAGENET | {"protocol": "domain_generalization"}, {"templates": "select_only", "covariance": "shrunk"}),
    ("gda", ON_IMAGENET | {"protocol": "cross_dataset"}, {"templates": None}),
    ("gda", {"protocol": "base_to_new"}, {"templates": None, "covariance": "within_class"}),
    ("tcp", ON_IMAGENET, {"optim.epochs": 25}),
    *(("promptsrc", {"dataset": name}, {"gpa_mean": 30, "gpa_std": 30, "optim.epochs": 50})
      for name in ("imagenet", "caltech101", "oxford_pets", "food101", "ucf101", "sun397")),
    *(("promptsrc", {"dataset": name, "shots": 1}, {"gpa_mean": 45, "gpa_std": 5, "optim.epochs": 50})
      for name in ("stanford_cars", "oxford_flowers", "fgvc_aircraft", "dtd", "eurosat")),
]  # fmt: skip
"""What else the scripts say elsewhere."""
PROGRAD = {
    "oxford_pets": "a type of pet, a photo of a {}.", "oxford_flowers": "a type of flower, a photo of a {}.",
    "fgvc_aircraft": "a type of aircraft, a photo of a {}.", "dtd": "a texture of {}.",
    "eurosat": "a centered satellite photo of {}.", "food101": "a type of food, a photo of {}.",
    "ucf101": "a photo of a person doing {}.",
    **dict.fromkeys(("stanford_cars", "sun397", "caltech101", "imagenet"), "a photo of a {}."),
}  # fmt: skip
"""Its authors' table, whole."""
SMALL = {
    IVLP: {"prompt_depth_text": 1, "prompt_depth_vision": 1}, VPT: {"prompt_depth_vision": 1},
    PromptSRC: {"prompt_depth_text": 1, "prompt_depth_vision": 1},
}  # fmt: skip


def settings(learner, *, dataset="caltech101", protocol="few_shot", shots=16):
    words = {"learner": learner, "dataset": dataset, "protocol": protocol, "shots": shots, "backbone": "vit_b16"}
    return settings_of([f"{key}={value}" for key, value in words.items()])


def plain(found):
    """All arguments, those of the optimiser as a mapping, and the crop of random views."""
    arguments = dict(found.learner.arguments)
    if "optim" in arguments:
        arguments["optim"] = dict(arguments["optim"].arguments)
    return {**arguments, "crop": tuple(found.view_scale)}


@pytest.mark.parametrize("learner", ALL)
def test_a_learner_comes_to_what_its_paper_says(learner):
    expected, where = ALL[learner]
    assert plain(settings(learner, **where)) == expected


@pytest.mark.parametrize(("learner", "where", "expected"), DIFFERING)
def test_and_to_what_it_says_elsewhere(learner, where, expected):
    found = plain(settings(learner, **where))
    flat = found | {f"optim.{key}": value for key, value in found.get("optim", {}).items()}
    assert {key: flat[key] for key in expected} == expected


@pytest.mark.parametrize("words", [
    *(["protocol=few_shot", f"learner={name}"]
      for name in ("zslp", "clap", "taskres", "lp_plus_plus", "gda", "cross_modal", "prolip")),
    ["experiment=tip_adapter_few_shot"],
])  # fmt: skip
def test_sentences_take_the_place_of_imagenets_prompts(words, tmp_path):
    file = tmp_path / "set.json"
    file.write_text('{"tench": ["A fish."]}')
    arguments = settings_of([*words, "dataset=imagenet", f"learner.prompts={file}"]).learner.arguments
    assert (arguments["templates"], str(arguments["prompts"])) == (None, str(file))


@pytest.mark.parametrize("dataset", PROGRAD)
def test_prograds_table_is_its_authors(dataset):
    assert plain(settings("prograd", dataset=dataset))["teacher_template"] == PROGRAD[dataset]


@pytest.mark.parametrize("learner", ALL)
def test_its_constructor_says_the_same(learner):
    expected, where = ALL[learner]
    kind = settings(learner, **where).learner.kind
    left = {"optim", "generator", "template", *(("teacher_template",) if learner == "prograd" else ())}  # has a table
    defaults = {
        name: list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        for name, parameter in signature_of(kind).items()
        if parameter.default is not inspect.Parameter.empty and name not in left
    }
    assert defaults == {name: expected[name] for name in defaults}
    if "optim" in expected:
        made = kind(tiny_clip(), class_names(3), **SMALL.get(kind, {"layer": 3} if learner == "tcp" else {}))
        assert made.optim == Optim(**expected["optim"])
