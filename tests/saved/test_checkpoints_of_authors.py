"""Checkpoints as the authors' trainers write them give the same logits here; what doesn't fit is named."""

from functools import partial

import pytest
import torch

from promptlab import import_checkpoint
from promptlab.clip.weights.checkpoints import CheckpointError
from promptlab.learners import (
    IVLP,
    MMRL,
    PLOT,
    TCP,
    TPT,
    VPT,
    ATPrompt,
    CLIPAdapter,
    CoCoOp,
    CoOp,
    CoPrompt,
    DePT,
    KgCoOp,
    MaPLe,
    MMRLPlusPlus,
    Optim,
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
    partial(DePT, inner=CoOp): {},
    partial(DePT, inner=CoCoOp): {},
    partial(DePT, inner=KgCoOp): {},
    partial(DePT, inner=partial(MaPLe, depth=2)): {},
    partial(DePT, inner=partial(ATPrompt, inner=CoOp, attributes=["color"])): {},
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
    TPT: {"optim": Optim()},
}
"""Of these the part that learns."""
LEARNER, TOKENS = "prompt_learner", "representation_learner.compound_rep_tokens"
E, V, D, K = 32, 64, 48, 5
"""Widths of the small CLIP's text and image towers and of their joint space; MMRL's tokens."""
BY_NAME = {
    MaPLe: {
        f"{LEARNER}.ctx": (2, E),
        f"{LEARNER}.proj.weight": (V, E),
        f"{LEARNER}.proj.bias": (V,),
        f"{LEARNER}.compound_prompts_text.0": (2, E),
        f"{LEARNER}.compound_prompt_projections.0.weight": (V, E),
        f"{LEARNER}.compound_prompt_projections.0.bias": (V,),
    },
    PromptSRC: {
        f"{LEARNER}.ctx": (4, E),
        "text_encoder.transformer.resblocks.1.VPT_shallow": (4, E),
        "text_encoder.transformer.resblocks.2.VPT_shallow": (4, E),
        "image_encoder.VPT": (4, V),
        "image_encoder.transformer.resblocks.1.VPT_shallow": (4, V),
    },
    KgCoOp: {"ctx": (4, E)},
    ProGrad: {"ctx": (5, E)},
    TCP: {
        "ctx": (4, E),
        "meta_net.linear1.weight": (D // 4, D),
        "meta_net.linear1.bias": (D // 4,),
        "meta_net.linear2.weight": (4 * E, D // 4),
        "meta_net.linear2.bias": (4 * E,),
    },
    MMRL: {
        TOKENS: (K, 8),
        **{f"{TOKENS}_r2{tower}proj.{j}.weight": (width, 8) for tower, width in (("v", V), ("t", E)) for j in (0, 1)},
        **{f"{TOKENS}_r2{tower}proj.{j}.bias": (width,) for tower, width in (("v", V), ("t", E)) for j in (0, 1)},
        "image_encoder.proj_rep": (V, D),
    },
}
"""What the authors' trainers call what they learned, and its shape, as it was read in their code."""


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
    if isinstance(getattr(learner, "inner", learner), KgCoOp):  # named, never trained
        state |= {f"prompt_learner.{name}": torch.zeros(1, 4) for name in ("bias_vectors", "meta_net.linear1.weight")}
        state |= {name: torch.zeros(1, 4) for name in ("meta_net.linear1.weight", "adapter.fc.0.weight") if whole}
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
    state |= changes if whole else {name.removeprefix("prompt_learner."): value for name, value in changes.items()}
    return checkpoint(path, {name: tensor for name, tensor in state.items() if tensor is not None})


@pytest.mark.parametrize("kind", [*WHOLE, *PARTS])
def test_same_logits(clip, tmp_path, kind):
    arguments = {**WHOLE, **PARTS}[kind]
    trained, fresh = moved(kind(clip, NAMES, **arguments)), kind(clip, NAMES, **arguments)
    written(tmp_path / "Learner" / "model.pth.tar-5", trained, whole=kind in WHOLE)
    assert import_checkpoint(tmp_path, fresh) is fresh
    inputs = pictures()
    if fresh.needs != "images":
        inputs = clip.encode_images(inputs, normalised=fresh.normalised)
    with torch.no_grad():
        assert torch.equal(fresh(inputs), trained(inputs))
        assert not torch.allclose(kind(clip, NAMES, **arguments)(inputs), trained(inputs))


def as_named(kind):
    """A checkpoint with tensors of the authors' names alone."""
    stream = torch.Generator().manual_seed(2)
    return {name: 0.1 * torch.randn(shape, generator=stream) for name, shape in BY_NAME[kind].items()}


@pytest.mark.parametrize("kind", BY_NAME)
def test_every_name_of_theirs_is_read(clip, tmp_path, kind):
    state, learner = as_named(kind), kind(clip, NAMES, **{**WHOLE, **PARTS}[kind])
    import_checkpoint(checkpoint(tmp_path / "model.pth.tar-5", state), learner)
    left = list(learner.learned_tensors().values())
    for tensor in state.values():  # each of them is in the learner, and nothing else is
        left.pop(next(i for i, own in enumerate(left) if torch.equal(own, tensor)))
    assert not left


@pytest.mark.parametrize("kind", BY_NAME)
def test_one_that_is_missing_and_one_too_many_are_named(clip, tmp_path, kind):
    learner = kind(clip, NAMES, **{**WHOLE, **PARTS}[kind])
    before = {name: tensor.clone() for name, tensor in learner.state_dict().items()}
    for lacking in BY_NAME[kind]:
        state = as_named(kind) | {"prompt_learner.momentum": torch.zeros(3)}
        del state[lacking]
        path, short = checkpoint(tmp_path / "model.pth.tar-5", state), lacking.removeprefix("prompt_learner.")
        with pytest.raises(CheckpointError, match=f"it lacks {short}; it has momentum, unknown to {kind.__name__}"):
            import_checkpoint(path, learner)
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.state_dict().items())


def test_what_kgcoops_code_makes_and_never_uses(clip, tmp_path):
    """A vector, and in some versions a network under the names of CoCoOp's; its ``load_model`` drops a third buffer."""
    network = {name: torch.zeros(shape) for name, shape in BY_NAME[TCP].items() if name.startswith("meta_net")}
    state = as_named(KgCoOp) | {"token_midfix": torch.zeros(3, 4, E), "bias_vectors": torch.zeros(1, 512)}
    for more in ({}, network):
        learner = KgCoOp(clip, NAMES)
        import_checkpoint(checkpoint(tmp_path / "model.pth.tar-100", state | more), learner)
        assert torch.equal(learner.ctx, state["ctx"])
    for kind in (CoOp, KgCoOp):  # a network alone was trained: CoCoOp's, TCP's
        path = checkpoint(tmp_path / "model.pth.tar-100", as_named(TCP))
        with pytest.raises(CheckpointError, match=r"it has meta_net\.linear1\.bias, .*, unknown to"):
            import_checkpoint(path, kind(clip, NAMES, n_ctx=4, ctx_init="a photo of a"))


def test_what_only_ends_as_a_frozen_tensor_is_named(clip, tmp_path):
    """A tower's ``proj`` stands in a module of the tower; beside the context it is something learned."""
    state = as_named(ProGrad) | {f"{LEARNER}.proj": torch.zeros(V, D)}
    with pytest.raises(CheckpointError, match="it has proj, unknown to ProGrad"):
        import_checkpoint(checkpoint(tmp_path / "model.pth.tar-5", state), ProGrad(clip, NAMES, n_ctx=5))


def test_promptkds_teachers_are_read_as_promptsrcs(clip, tmp_path):
    more = {f"{LEARNER}.{buffer}": torch.zeros(3, 1, E) for buffer in ("token_prefix2", "token_suffix2")}
    teacher, fresh = (PromptSRC(clip, NAMES, **DEPTHS) for _ in range(2))
    path = written(tmp_path / "VLPromptLearner" / "model.pth.tar-20", moved(teacher), whole=True, **more)
    assert torch.equal(import_checkpoint(path, fresh).ctx, teacher.ctx)


@pytest.mark.parametrize("inner", [partial(CoOp, n_ctx=2), CoCoOp, partial(MaPLe, n_ctx=2, depth=2, ctx_init=None)])
def test_atprompts_three_attributes_come_in_whatever_number_has_words(clip, tmp_path, inner):
    """Theirs holds vectors for three words always; those without a word are kept for a target that has more."""
    more = {"another": ["color", "shape", "size"]}
    arguments = {"inner": inner, "attributes": ["color"], "target_attributes": more}
    trained, fresh = moved(ATPrompt(clip, NAMES, **arguments)), ATPrompt(clip, NAMES, **arguments)
    attributes = {f"prompt_learner.ctx_att{number}": torch.full((2, E), 0.1 * number) for number in (2, 3)}
    buffers = {"prompt_learner.token_middle1": torch.zeros(3, 1, E)}
    path = written(tmp_path / "model.pth.tar-100", trained, whole=False, **attributes, **buffers)
    import_checkpoint(path, fresh)
    inputs = pictures() if fresh.needs == "images" else clip.encode_images(pictures())
    with torch.no_grad():
        assert torch.equal(fresh(inputs), trained(inputs))
    assert torch.equal(fresh.prompts.spare, torch.stack(list(attributes.values())))
    plain = ATPrompt(clip, NAMES, inner=inner, attributes=["color"])
    assert import_checkpoint(path, plain).prompts.spare.shape == (0, 2, E)
    learner = ATPrompt(clip, NAMES, inner=inner, attributes=["color", "shape", "size"])
    lacking = written(tmp_path / "model.pth.tar-9", trained, whole=False)
    with pytest.raises(CheckpointError, match="it lacks ctx_att2, ctx_att3"):
        import_checkpoint(lacking, learner)


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
        ({"prompt_learner.meta_net.linear1.weight": torch.ones(2, 2)}, "it has meta_net.linear1.weight, unknown to"),
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
    with pytest.raises(TypeError, match="TPT learns nothing beforehand; with optim"):
        import_checkpoint(tmp_path, TPT(clip, NAMES))


def test_checkpoints_of_several_modules_are_a_question(clip, tmp_path):
    for module in ("meta_net", "prompt_learner"):
        written(tmp_path / module / "model.pth.tar-5", CoOp(clip, NAMES, n_ctx=2), whole=False)
    with pytest.raises(FileNotFoundError, match="of several modules, meta_net, prompt_learner: name one"):
        import_checkpoint(tmp_path, CoOp(clip, NAMES, n_ctx=2))
