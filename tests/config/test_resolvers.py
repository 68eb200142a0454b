"""Tables in YAML give the papers' settings, by protocol, dataset and shots."""

import pytest
from omegaconf import OmegaConf

from promptlab.config import resolvers
from promptlab.config.check import check
from promptlab.config.compose import composed
from tests.helpers.settings import settings_of


@pytest.mark.parametrize(
    ("shots", "dataset", "epochs"),
    [
        (1, "dtd", 50),
        (2, "dtd", 100),
        (4, "dtd", 100),
        (8, "dtd", 200),
        (16, "dtd", 200),
        ("all", "dtd", 200),
        (16, "imagenet", 50),
    ],
)
@pytest.mark.parametrize("learner", ["coop", "clip_adapter"])
def test_epochs_by_shots(learner, shots, dataset, epochs):
    settings = settings_of([f"learner={learner}", f"shots={shots}", f"dataset={dataset}", "protocol=few_shot"])
    assert settings.learner.arguments["optim"].arguments["epochs"] == epochs


@pytest.mark.parametrize(
    ("protocol", "start"),
    [
        ("few_shot", (16, None)),
        ("base_to_new", (4, "a photo of a")),
        ("cross_dataset", (4, "a photo of a")),
        ("domain_generalization", (4, "a photo of a")),
        ("generalized_zero_shot", (4, "a photo of a")),
    ],
)
def test_coops_start_follows_the_protocols_paper(protocol, start):
    learner = settings_of([f"protocol={protocol}"]).learner.arguments
    assert (learner["n_ctx"], learner["ctx_init"]) == start
    inner = settings_of([f"protocol={protocol}", "learner=ship", "inner=coop"]).learner.arguments["inner"].arguments
    assert (inner["n_ctx"], inner["ctx_init"]) == start


def test_shots_follow_the_protocol():
    assert settings_of(["protocol=generalized_zero_shot"]).shots == "all"
    assert settings_of(["protocol=few_shot"]).shots == 16


def test_targets_are_those_of_the_papers():
    demo = settings_of(["protocol=domain_generalization"])
    assert [target.arguments["name"] for target in demo.targets] == [
        "demo_shapes_sketch", "demo_shapes_noise", "demo_shapes_dark",
    ]  # fmt: skip
    assert len(settings_of(["protocol=cross_dataset", "dataset=imagenet"]).targets) == 10


def test_a_table_without_the_key_says_what_it_has():
    resolvers.register()
    node = OmegaConf.create({"value": "${by:b,{a: 1, c: 2}}"})
    with pytest.raises(Exception, match="no entry for b: it has a, c"):
        OmegaConf.to_container(node, resolve=True)


def test_a_plug_ins_own_yaml_holds_its_recipe(tmp_path):
    (tmp_path / "learner").mkdir()
    (tmp_path / "learner" / "mine.yaml").write_text(
        "name: mine\n_target_: promptlab.learners.CoOp\nn_ctx: ${by:${protocol.name},{few_shot:8,else:2}}\n"
        "optim:\n  _target_: promptlab.training.Optim\n  epochs: ${up_to:${shots},{1:5,else:20}}\n"
    )

    def arguments(*overrides):
        return check(composed(["learner=mine", *overrides], [tmp_path]), [tmp_path]).learner.arguments

    assert (arguments("protocol=few_shot")["n_ctx"], arguments()["n_ctx"]) == (8, 2)
    assert arguments("shots=1")["optim"].make().epochs == 5


def test_steps_can_be_a_multiple_of_the_shots(tmp_path):
    (tmp_path / "learner").mkdir()
    (tmp_path / "learner" / "mine.yaml").write_text(
        "name: mine\n_target_: promptlab.learners.CoOp\noptim:\n  _target_: promptlab.training.Optim\n"
        "  steps: ${times:${shots},500}\n  schedule: cosine_per_step\n  warmup_epochs: 0\n"
    )

    def optim(*overrides):
        return check(composed(["learner=mine", *overrides], [tmp_path]), [tmp_path]).learner.arguments["optim"]

    assert optim("shots=4").arguments["steps"] == 2000
    assert optim("shots=all").arguments["steps"] is None  # then epochs count


def test_two_keys_that_look_at_each_other_are_resolved_once_each():
    """Resolving the other key to see whether it is set would go round until Python's recursion ends."""
    asked = []
    OmegaConf.register_new_resolver("noted", lambda key: asked.append(key) or 4, replace=True)
    try:
        table = OmegaConf.create({"n_ctx": "${unless:ctx_init,${noted:a}}", "ctx_init": "${unless:n_ctx,${noted:b}}"})
        assert OmegaConf.to_container(table, resolve=True) == {"n_ctx": 4, "ctx_init": 4}
    finally:
        OmegaConf.clear_resolver("noted")
    assert asked == ["a", "b"]


@pytest.mark.parametrize(
    ("other", "decides"), [("a photo", True), (0, True), (None, False), ("???", False), ("${shots}", False)]
)
def test_a_key_that_somebody_set_decides(other, decides):
    node = OmegaConf.create({"shots": 1, "n_ctx": "${unless:ctx_init,16}", "ctx_init": other})
    OmegaConf.set_struct(node, True)
    assert node.n_ctx == (None if decides else 16)
    del node._content["ctx_init"]
    assert node.n_ctx == 16
