"""Checkpoints as the authors' trainers write them give the same logits here; what doesn't fit is named."""

import pytest
import torch

from promptlab import import_checkpoint
from promptlab.clip.weights.checkpoints import CheckpointError
from promptlab.learners import (
    IVLP,
    MMRL,
    PLOT,
    TCP,
    VPT,
    CLIPAdapter,
    CoCoOp,
    CoOp,
    CoPrompt,
    KgCoOp,
    MaPLe,
    MMRLPlusPlus,
    ProGrad,
    PromptSRC,
    TaskRes,
)
from tests.helpers.images import pictures
from tests.helpers.models import class_names, tiny_clip
from tests.helpers.prompts_golden import close, prompts_golden
from tests.saved.test_checkpoints_of_coop import checkpoint

NAMES = class_names(3)
DEPTHS = {"prompt_depth_text": 3, "prompt_depth_vision": 2}
LAYERS = {"first_layer": 1, "last_layer": 2, "rep_dim": 8}
WHOLE = {
    MaPLe: {"depth": 2},
    CoPrompt: {"depth": 2},
    IVLP: DEPTHS,
    VPT: {"prompt_depth_vision": 2},
    PromptSRC: DEPTHS,
    MMRL: LAYERS,
    MMRLPlusPlus: {**LAYERS, "head_rank": 3},
}
"""Of these the whole model is saved."""
PARTS = {
    CoOp: {"n_ctx": 3},
    CLIPAdapter: {},
    CoCoOp: {},
    KgCoOp: {},
    ProGrad: {"n_ctx": 5},
    TCP: {"layer": 2},
    PLOT: {"n_prompts": 2, "n_ctx": 3},
}
"""Of these the part that learns."""


@pytest.fixture(scope="module")
def clip():
    return tiny_clip()


def moved(learner):
    """Away from its start."""
    for number, parameter in enumerate(learner.parameters()):
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
    return learner


def written(path, learner, *, whole, **changes):
    """What the authors' trainer would leave of it."""
    state = {theirs: learner.get_parameter(own).data for own, theirs in learner.authors_names().items()}
    for buffer in ("token_prefix", "token_suffix"):
        state[f"prompt_learner.{buffer}"] = torch.zeros(3, 1, learner.clip.width)
    if whole:
        for name, tensor in learner.clip.model.state_dict().items():
            tower = "image_encoder." if name.startswith("visual.") else "" if name == "logit_scale" else "text_encoder."
            state[tower + name.removeprefix("visual.")] = tensor.half()
            if name.startswith("visual."):  # a teacher's
                state[f"prompt_learner.ZS_image_encoder.{name.removeprefix('visual.')}"] = tensor
    else:
        state = {name.removeprefix("prompt_learner."): tensor for name, tensor in state.items()}
    state |= changes
    return checkpoint(path, {name: tensor for name, tensor in state.items() if tensor is not None})


@pytest.mark.parametrize("kind", [*WHOLE, *PARTS])
def test_same_logits(clip, tmp_path, kind):
    arguments = {**WHOLE, **PARTS}[kind]
    trained, fresh = moved(kind(clip, NAMES, **arguments)), kind(clip, NAMES, **arguments)
    written(tmp_path / "Learner" / "model.pth.tar-5", trained, whole=kind in WHOLE)
    assert import_checkpoint(tmp_path, fresh) is fresh
    inputs = pictures() if fresh.needs == "images" else clip.encode_images(pictures())
    with torch.no_grad():
        assert torch.equal(fresh(inputs), trained(inputs))
        assert not torch.allclose(kind(clip, NAMES, **arguments)(inputs), trained(inputs))


def test_what_the_authors_code_computed_with_such_tensors(tmp_path):
    golden = prompts_golden("promptsrc")
    expected = golden.of("ivlp")
    state = {name: tensor for name, tensor in expected.items() if name.startswith(("prompt", "image_", "text_"))}
    depths = {"prompt_depth_text": 3, "prompt_depth_vision": 3}
    learner = IVLP(golden.clip, golden.names, **depths)
    state = {name: tensor for name, tensor in state.items() if name in learner.authors_names().values()}
    import_checkpoint(checkpoint(tmp_path / "model.pth.tar-20", state), moved(learner))
    close(learner(golden.drawn("images", (6, 3, 32, 32), 1.0)).detach(), expected["logits"], 1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt_learner.proj.bias": None}, "it lacks proj.bias"),
        ({"prompt_learner.compound_prompts_text.1": torch.zeros(2, 32)}, "it has compound_prompts_text.1, unknown to"),
        ({"prompt_learner.ctx": torch.zeros(4, 32)}, r"it has ctx with shape \(4, 32\), expected \(2, 32\)"),
        (
            {"image_encoder.ln_post.bias": torch.ones(64)},
            "another backbone than tiny: its frozen image_encoder",
        ),
        ({"text_encoder.text_projection": torch.ones(8, 8)}, "another backbone than tiny: its frozen text_encoder"),
    ],
)
def test_what_does_not_fit_is_named(clip, tmp_path, changes, message):
    learner = MaPLe(clip, NAMES, depth=2)
    before = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    path = written(tmp_path / "model.pth.tar-5", moved(MaPLe(clip, NAMES, depth=2)), whole=True, **changes)
    with pytest.raises(CheckpointError, match=message):
        import_checkpoint(path, learner)
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.state_dict().items())


def test_learners_without_known_checkpoints_say_so(clip, tmp_path):
    with pytest.raises(TypeError, match="TaskRes doesn't say what its tensors are called"):
        import_checkpoint(tmp_path, TaskRes(clip, NAMES))


def test_checkpoints_of_several_modules_are_a_question(clip, tmp_path):
    for module in ("meta_net", "prompt_learner"):
        written(tmp_path / module / "model.pth.tar-5", CoOp(clip, NAMES, n_ctx=2), whole=False)
    with pytest.raises(FileNotFoundError, match="of several modules, meta_net, prompt_learner: name one"):
        import_checkpoint(tmp_path, CoOp(clip, NAMES, n_ctx=2))
