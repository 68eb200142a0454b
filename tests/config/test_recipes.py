"""Every recipe comes to what its paper says, for every dataset that it covers: composed, compared, not run."""

from functools import cache

import pytest
from omegaconf import OmegaConf

from promptlab.config.check import check
from promptlab.config.compose import composed
from promptlab.config.groups import about_by_comment, choices
from promptlab.support.paths import conf_dir

ELEVEN = ("imagenet", "caltech101", "oxford_pets", "stanford_cars", "oxford_flowers", "food101", "fgvc_aircraft",
          "sun397", "dtd", "eurosat", "ucf101")  # fmt: skip
TARGETS = {"cross_dataset": ELEVEN[1:], "domain_generalization": ("imagenetv2", "imagenet_sketch", "imagenet_a",
           "imagenet_r")}  # fmt: skip
DASSL = {"optim.name": "sgd", "optim.lr": 0.002, "optim.momentum": 0.9, "optim.weight_decay": 5e-4,
         "optim.schedule": "cosine", "optim.warmup_epochs": 1, "optim.warmup_lr": 1e-5}  # fmt: skip
"""What every recipe on Dassl's trainer has unless it says otherwise."""
FOUR_WORDS = {"ctx_init": "a photo of a"}
RN50 = {
    "backbone": "RN50-quickgelu",
    "protocol": "few_shot",
    "shots": 16,
    "views": "online",
    "crop": (0.08, 1.0),
    "val": "few",
}
B16 = RN50 | {"backbone": "ViT-B-16-quickgelu", "protocol": "base_to_new"}
COOP_CURVES = RN50 | DASSL | {"learner": "coop", "n_ctx": 16, "ctx_init": None, "csc": False,
                              "class_token_position": "end", "optim.batch_size": 32, "optim.epochs": 200}  # fmt: skip
COOP = B16 | DASSL | FOUR_WORDS | {"learner": "coop", "n_ctx": 4, "csc": False, "class_token_position": "end",
                                   "optim.batch_size": 32, "optim.epochs": 200}  # fmt: skip
COCOOP = B16 | DASSL | FOUR_WORDS | {"learner": "cocoop", "optim.batch_size": 1, "optim.epochs": 10}
KGCOOP = B16 | DASSL | FOUR_WORDS | {"learner": "kgcoop", "weight": 8.0, "teacher_template": None,
                                     "optim.batch_size": 128, "optim.epochs": 100}  # fmt: skip
DEPT = B16 | {"learner": "dept-kgcoop", "weight": 0.7, "lr_factor": 6.5, "inner.weight": 2, "inner.optim.lr": 0.0035,
              "inner.optim.epochs": 10, "inner.optim.batch_size": 4, "inner.optim.warmup_epochs": 1}  # fmt: skip
PROMPTKD = B16 | DASSL | {"learner": "promptkd", "select": "test", "n_ctx_vision": 4, "prompt_depth_vision": 9,
                          "weight": 1000, "temperature": 1.0, "optim.lr": 0.005, "optim.batch_size": 8,
                          "optim.epochs": 20}  # fmt: skip
MAPLE = B16 | DASSL | FOUR_WORDS | {"learner": "maple", "n_ctx": 2, "depth": 9, "optim.lr": 0.0035,
                                    "optim.batch_size": 4, "optim.epochs": 5}  # fmt: skip
FROM_IMAGENET = {"depth": 3, "optim.lr": 0.0026, "optim.epochs": 2}
"""MaPLe's other settings where it trains on ImageNet for other images."""
SHIP = B16 | FOUR_WORDS | {
    "learner": "ship_paper_code", "crop": (0.5, 1.0), "n_ctx": 4, "prompt_generator": "vae", "encoder_width": None,
    "generator_width": None, "activation": "relu", "n_synth": None, "generator_optim.name": "adamw",
    "generator_optim.lr": 0.001, "generator_optim.weight_decay": 0.01, "generator_optim.epochs": 50,
    "generator_optim.batch_size": 256, "generator_optim.schedule": "constant", "inner.ctx_init": "a photo of a",
    "inner.optim.name": "sgd", "inner.optim.lr": 0.002, "inner.optim.momentum": 0.0, "inner.optim.weight_decay": 0.0,
    "inner.optim.schedule": "cosine_per_step", "inner.optim.warmup_epochs": 0, "inner.optim.batch_size": 256,
    "inner.optim.epochs": 200,
}  # fmt: skip
SHIP.pop("ctx_init")
SHIP_IMAGENET = {
    "crop": (0.08, 1.0), "encoder_width": 4096, "activation": "leaky_relu", "generator_optim.epochs": 10,
    "inner.optim.name": "adamw", "inner.optim.lr": 0.001, "inner.optim.eps": 1e-4, "inner.optim.weight_decay": 0.01,
    "inner.optim.epochs": 20,
}  # fmt: skip
TIP = RN50 | {"learner": "tip_adapter", "views": 10, "crop": (0.5, 1.0), "val": "full", "beta": 1, "alpha": 1.17,
              "templates": None, "search": True, "search_scale": [7, 3], "search_step": [200, 20]}  # fmt: skip
TIP_F = TIP | {"learner": "tip_adapter_f", "optim.name": "adamw", "optim.lr": 0.001, "optim.eps": 1e-4,
               "optim.weight_decay": 0.01, "optim.schedule": "cosine_per_step", "optim.warmup_epochs": 0,
               "optim.batch_size": 256, "optim.epochs": 20}  # fmt: skip
TIP_BY_DATASET = {
    "imagenet": {"search": False, "templates": "select_only"}, "caltech101": {"search_scale": [12, 5], "alpha": 3},
    "dtd": {"search_scale": [13, 13], "alpha": 2}, "eurosat": {"search_scale": [12, 10], "alpha": 2},
    "fgvc_aircraft": {"search_scale": [30, 30], "alpha": 5}, "food101": {"search_scale": [10, 10]},
    "oxford_flowers": {"search_scale": [50, 50], "alpha": 10}, "stanford_cars": {"search_scale": [20, 10], "alpha": 3},
    "sun397": {"search_scale": [12, 10]}, "ucf101": {"alpha": 3},
}  # fmt: skip
FEWER_ON_IMAGENET = {"imagenet": {"optim.epochs": 50}}
CLIP_ADAPTER = RN50 | DASSL | {"learner": "clip_adapter", "ratio": 0.2, "reduction": 4, "optim.batch_size": 32,
                               "optim.epochs": 200}  # fmt: skip
"""Below: recipe to its settings, and those that differ by dataset."""
PAPERS = {
    "coop_few_shot": (COOP_CURVES, FEWER_ON_IMAGENET),
    "coop_few_shot_middle": (COOP_CURVES | {"class_token_position": "middle"}, FEWER_ON_IMAGENET),
    "coop_few_shot_csc": (COOP_CURVES | {"csc": True}, FEWER_ON_IMAGENET),
    "coop_few_shot_middle_csc": (COOP_CURVES | {"csc": True, "class_token_position": "middle"}, FEWER_ON_IMAGENET),
    "coop_base_to_new": (COOP, FEWER_ON_IMAGENET),
    "cocoop_base_to_new": (COCOOP, {}),
    "kgcoop_base_to_new": (KGCOOP, {"dtd": {"teacher_template": "a photo of a {}, a type of texture."}}),
    "maple_base_to_new": (MAPLE, {}),
    "dept_base_to_new": (DEPT, {}),
    "promptkd_base_to_new": (PROMPTKD, {name: {"weight": 200} for name in ("fgvc_aircraft", "oxford_flowers", "dtd")}),
    "ship_base_to_new": (SHIP, {"imagenet": SHIP_IMAGENET}),
    "clip_adapter_few_shot": (CLIP_ADAPTER, FEWER_ON_IMAGENET),
    "tip_adapter_few_shot": (TIP, TIP_BY_DATASET),
    "tip_adapter_f_few_shot": (TIP_F, TIP_BY_DATASET | {"eurosat": TIP_BY_DATASET["eurosat"] | {"optim.epochs": 100}}),
}  # fmt: skip
ONE_DATASET = {
    **{f"coop_{protocol}": ("imagenet", COOP | {"optim.epochs": 50, "protocol": protocol}) for protocol in TARGETS},
    **{f"cocoop_{protocol}": ("imagenet", COCOOP | {"protocol": protocol}) for protocol in TARGETS},
    **{f"kgcoop_{protocol}": ("imagenet", KGCOOP | {"protocol": protocol}) for protocol in TARGETS},
    **{f"maple_{protocol}": ("imagenet", MAPLE | FROM_IMAGENET | {"protocol": protocol}) for protocol in TARGETS},
    "coop_domain_generalization_random": (
        "imagenet", COOP_CURVES | {"protocol": "domain_generalization", "optim.epochs": 50}
    ),
    "ship_generalized_zero_shot": ("cub", SHIP | {"protocol": "generalized_zero_shot", "shots": "all"}),
}  # fmt: skip
"""Recipes that name their dataset."""
CASES = [
    *((recipe, dataset, settings | differing.get(dataset, {}))
      for recipe, (settings, differing) in PAPERS.items() for dataset in ELEVEN),
    ("ship_paper_code", "eurosat", SHIP),
    ("ship_paper_code_imagenet", "imagenet", SHIP | SHIP_IMAGENET | {"learner": "ship_paper_code_imagenet"}),
]  # fmt: skip


@cache
def composed_once(recipe):
    return composed([f"experiment={recipe}"])


def with_dataset(recipe, dataset, **keys):
    """A recipe's settings on a dataset; composing it anew for each would take Hydra a minute."""
    cfg = composed_once(recipe).copy()
    cfg.dataset = OmegaConf.load(conf_dir() / "dataset" / f"{dataset}.yaml")
    cfg.merge_with(keys)
    return check(cfg)


def came_to(settings, keys):
    """Those settings, named as the tables above name them."""
    own = {"backbone": settings.backbone.arguments["name"], "protocol": settings.protocol.name, "shots": settings.shots,
           "views": settings.views, "crop": settings.view_scale, "val": settings.val, "select": settings.select,
           "learner": settings.learner.label}  # fmt: skip
    return {key: own[key] if key in own else argument(settings.learner, key.split(".")) for key in keys}


def argument(choice, path):
    value = choice.arguments[path[0]]
    return argument(value, path[1:]) if len(path) > 1 else value


@pytest.mark.parametrize(("recipe", "dataset", "paper"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_a_recipe_comes_to_what_its_paper_says(recipe, dataset, paper):
    assert came_to(with_dataset(recipe, dataset), paper) == paper


@pytest.mark.parametrize("recipe", ONE_DATASET)
def test_a_recipe_for_one_dataset_comes_to_what_its_paper_says(recipe):
    dataset, paper = ONE_DATASET[recipe]
    settings = check(composed_once(recipe))
    assert settings.dataset.arguments["name"] == dataset
    assert came_to(settings, paper) == paper
    targets = tuple(target.arguments["name"] for target in settings.targets or ())
    assert targets == TARGETS.get(settings.protocol.name, ())


@pytest.mark.parametrize(("shots", "epochs"), [(1, 50), (2, 100), (4, 100), (8, 200), (16, 200)])
@pytest.mark.parametrize("recipe", ["coop_few_shot", "coop_few_shot_middle_csc", "clip_adapter_few_shot"])
def test_curves_train_as_long_as_their_shots_ask_for(recipe, shots, epochs):
    settings = with_dataset(recipe, "dtd", shots=shots)
    assert came_to(settings, ["optim.epochs", "shots"]) == {"optim.epochs": epochs, "shots": shots}


@pytest.mark.parametrize(
    ("words", "n_ctx"),
    [
        (["backbone=pe_core_b16"], 4),
        (["backbone=pe_core_l14", "learner=plot"], 4),
        (["backbone=pe_core_b16", "learner=prograd"], 4),
        (["backbone=pe_core_b16", "learner.n_ctx=8"], 8),
        (["backbone=siglip_b16"], 16),
        (["backbone=vit_b16"], 16),
        (["backbone=vit_b16", "~backbone.about"], 16),
    ],
)
def test_a_short_context_leaves_room_for_names(words, n_ctx):
    settings = check(composed(["protocol=few_shot", "learner=coop", *words]))
    assert settings.learner.arguments["n_ctx"] == n_ctx


def test_every_recipe_is_held_against_its_paper_and_names_it():
    assert set(choices("experiment")) == {*(case[0] for case in CASES), *ONE_DATASET}
    for name in choices("experiment"):
        about = about_by_comment("experiment", name)
        assert about["paper"].startswith("https://arxiv.org/abs/"), name
        assert about["summary"], name
