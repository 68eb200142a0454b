"""Text towers that aren't causal: what they give is what the models' own ``encode_text`` gives."""

import pytest
import torch
from torch.nn import functional as F

from promptlab.clip import BlockAdapter, UnsupportedBackboneError
from promptlab.clip.text.causal import CausalTower
from promptlab.clip.text.full import FullTower
from promptlab.clip.text.hugging_face import HuggingFaceTower
from promptlab.clip.text.memory import whole_bytes
from promptlab.prompts import ClassPrompts
from promptlab.prompts.written_prompts import WrittenPrompts
from tests.helpers.towers import FULL, KINDS, own_encoding, prompt_of, tower_clip

NAMES = ["red star", "blue boat", "old, red tree house", "star"]
TEXTS = [f"a photo of a {name}." for name in NAMES]
BLOCKS = ["siglip", "mobileclip", "coca", "worldwide"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    built = {}

    def clip_of(kind):
        if kind not in built:
            built[kind] = tower_clip(kind, tmp_path_factory.mktemp(kind))
        return built[kind]

    return clip_of


@pytest.fixture(params=KINDS)
def clip(request, clips):
    return clips(request.param)


def close(got, expected, tolerance=1e-5):
    torch.testing.assert_close(got, expected, atol=tolerance, rtol=0)


def drawn(*shape):
    return 0.5 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_each_kind_has_its_tower(clip):
    assert type(clip.text_tower) is (FullTower if clip.name in FULL else HuggingFaceTower)


def test_written_texts_equal_the_models_own(clip):
    own = clip.model.encode_text(clip.tokenizer(TEXTS))
    close(clip.encode_texts(TEXTS), F.normalize(own, dim=-1))
    raw = clip.encode_texts(TEXTS, normalised=False)
    if clip.name != "coca":  # whose encode_text gives unit length
        close(raw, own, 2e-5)
    assert raw.shape == (4, clip.dim)
    close(clip.encode_texts(TEXTS[3:]), clip.encode_texts(TEXTS)[3:])


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("csc", [False, True])
def test_learned_prompts_equal_the_models_own(clip, position, csc):
    prompts = ClassPrompts(clip, NAMES, n_ctx=3, position=position, csc=csc)
    ctx = drawn(4, 3, clip.width) if csc else drawn(3, clip.width)
    ctx.requires_grad_()
    contexts = ctx if csc else [ctx] * 4
    own = own_encoding(clip, [prompt_of(clip, *pair, position) for pair in zip(NAMES, contexts, strict=True)])
    got = prompts.encode(ctx)
    close(got, own)
    weights = drawn(*own.shape)
    (expected,) = torch.autograd.grad((own * weights).sum(), ctx)
    (gradient,) = torch.autograd.grad((got * weights).sum(), ctx)
    close(gradient, expected, 1e-5 * max(1, float(expected.abs().max())))


def test_context_that_starts_at_words_is_the_written_prompt(clip):
    prompts = ClassPrompts(clip, NAMES, n_ctx=4)
    close(prompts.encode(clip.embed_words("a photo of a")), clip.encode_texts(TEXTS))


def test_contexts_per_image_and_per_sample(clip):
    prompts = ClassPrompts(clip, NAMES, n_ctx=2)
    contexts = drawn(3, 2, clip.width)
    own = own_encoding(clip, [prompt_of(clip, name, context) for context in contexts for name in NAMES])
    close(prompts.encode_for_images(contexts), own.view(3, 4, -1))
    queries = F.normalize(drawn(3, clip.dim), dim=-1)
    close(prompts.encode_for_images(contexts, queries=queries), torch.einsum("bcd,bd->bc", own.view(3, 4, -1), queries))
    labels = torch.tensor([2, 0, 3])
    close(prompts.encode_for_samples(contexts, labels), own.view(3, 4, -1)[torch.arange(3), labels])


def test_logits_are_the_models_own(clips):
    """Scale and bias, whose sigmoid is SigLIP's score."""
    for kind in ("siglip", "mobileclip", "bert"):
        clip = clips(kind)
        images = drawn(2, 3, 32, 32)
        own, _ = clip.model.get_logits(images, clip.tokenizer(TEXTS))
        features, texts = clip.encode_images(images), clip.encode_texts(TEXTS)
        close(clip.logits(features, texts), own, 1e-4)
        close(clip.classifier(texts)(features), own, 1e-4)
        close(clip.as_logits(features @ texts.T), own, 1e-4)
        close(clip.as_similarities(own), features @ texts.T)
    assert clips("siglip").logit_bias == clips("siglip").model.logit_bias.item() != 0


class Kept:
    """Bytes that autograd keeps, of tensors that aren't the model's."""

    def __init__(self, clip):
        self.own = {p.untyped_storage().data_ptr() for p in clip.model.parameters()}
        self.seen = {}

    @property
    def bytes(self):
        return sum(self.seen.values())

    def __enter__(self):
        def pack(tensor):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self.own:
                self.seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        self.hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
        self.hooks.__enter__()
        return self

    def __exit__(self, *error):
        self.hooks.__exit__(*error)


def test_chunks_give_the_same_under_the_budget(clip, tmp_path):
    names = [f"{a} {b}" for a in ("red", "blue", "old") for b in ("star", "boat", "tree", "house")] * 8
    small = tower_clip(clip.name, tmp_path, text_memory_mb=1)
    answers, gradients, kept = [], [], []
    for one in (clip, small):
        ctx = drawn(2, clip.width).requires_grad_()
        with Kept(one) as bytes_kept:
            features = ClassPrompts(one, names, n_ctx=2).encode(ctx)
            kept.append(bytes_kept.bytes)
        (gradient,) = torch.autograd.grad((features * drawn(*features.shape)).sum(), ctx)
        answers.append(features)
        gradients.append(gradient)
    close(*answers)
    close(*gradients, 1e-4)
    assert kept[1] < 2**20 < kept[0] < len(names) * whole_bytes(clip.text_tower, 20, trains=True)


def test_a_budget_below_one_prompt_names_the_least(clip):
    tower, budget = clip.text_tower, clip.text_tower.budget
    tower.budget = 1000
    try:
        with pytest.raises(MemoryError, match="give at least 1"):
            ClassPrompts(clip, NAMES, n_ctx=2).encode(drawn(2, clip.width))
    finally:
        tower.budget = budget


def test_texts_beyond_the_context_are_refused(clip):
    with pytest.raises(ValueError, match="more than the"):
        clip.encode_texts(["a photo of a red red red red red red red red red red red red red red red star."])


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("per_class", [False, True])
def test_deep_prompts_replace_the_context_there(clips, kind, per_class):
    clip = clips(kind)
    ctx, deeper = drawn(2, clip.width), drawn(4, 2, clip.width) + 1
    first = len(clip.tokens.opening)

    def replace(_module, inputs):
        vectors = deeper if per_class else deeper[:1].expand(4, -1, -1)
        return (torch.cat([inputs[0][:, :first], vectors, inputs[0][:, first + 2 :]], dim=1), *inputs[1:])

    handle = clip.text_tower.blocks[1].register_forward_pre_hook(replace)
    own = own_encoding(clip, [prompt_of(clip, name, ctx) for name in NAMES])
    handle.remove()
    deep = {1: deeper if per_class else deeper[0]}
    close(ClassPrompts(clip, NAMES, n_ctx=2).encode(ctx, deep=deep), own)


@pytest.mark.parametrize("kind", BLOCKS)
def test_adapters_change_the_blocks(clips, kind):
    clip = clips(kind)
    prompts = WrittenPrompts(clip, NAMES)
    plain = clip.encode_texts(TEXTS)
    zero = BlockAdapter(q=lambda x: torch.zeros_like(x), o=lambda x: torch.zeros_like(x))
    close(prompts.encode(adapters={0: zero, 2: zero}), plain)
    bias = drawn(clip.width)
    block = clip.text_tower.blocks[1]
    own_bias = block.attn.out_proj.bias.data.clone()
    block.attn.out_proj.bias.data += bias
    changed = clip.encode_texts(TEXTS)
    block.attn.out_proj.bias.data = own_bias
    assert (changed - plain).abs().max() > 0.01
    close(prompts.encode(adapters={1: BlockAdapter(o=lambda x: bias.expand_as(x))}), changed)


@pytest.mark.parametrize("kind", ["roberta", "odd_blocks"])
def test_deep_prompts_are_refused_by_name_elsewhere(clips, kind):
    clip = clips(kind)
    prompts = ClassPrompts(clip, NAMES, n_ctx=2)
    message = f"{kind} can't take prompts of deeper layers or adapters in its text tower"
    with pytest.raises(UnsupportedBackboneError, match=message):
        prompts.encode(drawn(2, clip.width), deep={1: drawn(2, clip.width)})


def test_hugging_face_models_have_no_blocks_of_clips(clips):
    for what in ("text_blocks", "text_layers"):
        with pytest.raises(UnsupportedBackboneError, match=r"roberta can't take .*Hugging Face"):
            getattr(clips("roberta"), what)


@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("csc", [False, True])
def test_a_causal_tower_without_an_opening_token(clips, position, csc):
    clip = clips("worldwide")
    assert type(clip.text_tower) is CausalTower
    close(clip.encode_texts(TEXTS), F.normalize(clip.model.encode_text(clip.tokenizer(TEXTS)), dim=-1))
    for M in (1, 3):
        ctx = drawn(4, M, clip.width) if csc else drawn(M, clip.width)
        contexts = ctx if csc else [ctx] * 4
        own = own_encoding(clip, [prompt_of(clip, *pair, position) for pair in zip(NAMES, contexts, strict=True)])
        close(ClassPrompts(clip, NAMES, n_ctx=M, position=position, csc=csc).encode(ctx), own)
