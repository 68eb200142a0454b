"""Guards of speed and memory that count work, never seconds: tokens, images, bytes kept for the backward pass."""

import itertools

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import promptlab
from promptlab.bench.reference import PlainPrompts
from promptlab.features import encode, gathering
from promptlab.features.bank import FeatureBank
from promptlab.learners import SHIP, Batch, CoCoOp, CoOp
from promptlab.learners.base.optim import Optim
from promptlab.learners.ship.generators import VAE
from promptlab.support.database import Database
from tests.helpers.models import class_names, tiny_clip

NAMES = class_names(12, longest=4)


class Tokens:
    """Rows that go through the MLP of each layer, in the forward pass."""

    def __init__(self, clip):
        self.rows = [0] * len(clip.text_tower.blocks)
        self.hooks = [
            block.mlp[0].register_forward_hook(self.count(layer)) for layer, block in enumerate(clip.text_tower.blocks)
        ]

    def count(self, layer):
        def hook(module, inputs, output):
            self.rows[layer] += output[..., 0].numel()

        return hook

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for hook in self.hooks:
            hook.remove()


def features_of(clip, count):
    return F.normalize(torch.randn(count, clip.dim, generator=torch.Generator().manual_seed(1)), dim=-1)


def tails_of(clip):
    """Name, period and end-of-text of every class."""
    return [len(clip.encode_words(f"{name}.")) + 1 for name in NAMES]


def test_tokens_of_a_coop_step():
    """The prefix once, each class's tail once, and in the last layer one token a class; nothing for images."""
    clip = tiny_clip()
    learner = CoOp(clip, NAMES, n_ctx=16)
    with Tokens(clip) as tokens:
        learner.loss(Batch(features_of(clip, 32), torch.zeros(32, dtype=torch.long))).backward()
    full = 1 + 16 + sum(tails_of(clip))
    assert tokens.rows == [full, full, len(NAMES)]


@pytest.mark.parametrize("B", [1, 8])
def test_tokens_of_a_cocoop_step(B):
    """A prefix for each image, and each class's tail for each image."""
    clip = tiny_clip()
    learner = CoCoOp(clip, NAMES, n_ctx=4, ctx_init=None)
    with Tokens(clip) as tokens:
        learner.loss(Batch(features_of(clip, B), torch.zeros(B, dtype=torch.long))).backward()
    full = B * (1 + 4 + sum(tails_of(clip)))
    assert tokens.rows == [full, full, B * len(NAMES)]


def test_tokens_of_a_ship_step():
    """Context and tail of the samples' own classes; SOS is constant and was encoded before."""
    clip = tiny_clip()
    learner = SHIP(clip, NAMES, inner=CoOp, has_images=[True] * 6 + [False] * 6, n_ctx=4)
    assert isinstance(learner.generator, VAE)
    labels = torch.arange(20) % 6
    batch = Batch(features_of(clip, 20), labels, torch.Generator().manual_seed(0))
    learner.generator.loss(batch)
    with Tokens(clip) as tokens:
        learner.generator.loss(batch).backward()
    tails = tails_of(clip)
    full = sum(4 + tails[label] for label in labels.tolist())
    assert tokens.rows == [full, full, 20]


def test_chunks_that_are_recomputed_run_twice():
    """Under a small budget each tail goes forward twice, the prefix still once."""
    clip = tiny_clip(text_memory_mb=1)
    names = class_names(100, longest=4)
    learner = CoOp(clip, names, n_ctx=4)
    with Tokens(clip) as tokens:
        learner.text_features().sum().backward()
    tails = sum(len(clip.encode_words(f"{name}.")) + 1 for name in names)
    assert tokens.rows[0] == 5 + 2 * tails


class Casts(TorchDispatchMode):
    """Tensors that are made into another type."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        answer = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default:
            self.count += answer.dtype != args[0].dtype
        return answer


def test_casts_of_a_coop_step_in_bf16():
    """In and out of the tower, for prefix, tails and features; none by layer, where norms cast on the way."""
    clip = promptlab.load_clip("demo", precision="bf16")
    learner = CoOp(clip, ["red star", "blue boat"], n_ctx=4)
    with Casts() as casts:
        learner.text_features().sum().backward()
    assert 0 < casts.count < 2 * clip.text_layers + 6


def test_plain_encoding_runs_all_tokens():
    """What is measured against: 77 tokens a class in every layer."""
    clip = tiny_clip()
    with Tokens(clip) as tokens:
        PlainPrompts(clip, NAMES, 16).encode(torch.zeros(16, clip.width))
    assert tokens.rows == [77 * len(NAMES)] * 3


def test_scoring_encodes_classes_once():
    """Evaluation of many batches runs the text side once."""
    clip = tiny_clip()
    learner = CoOp(clip, NAMES, n_ctx=4)
    with Tokens(clip) as tokens:
        scorer = learner.scorer()
        for _ in range(5):
            scorer(features_of(clip, 10))
    assert tokens.rows[-1] == len(NAMES)


def test_a_sweep_encodes_each_image_once(tmp_path, monkeypatch):
    """Three shots x two seeds in two views: every distinct image and view goes through the image tower once."""
    clip, data = promptlab.load_clip("demo"), promptlab.demo_dataset("demo_textures")
    bank = FeatureBank(tmp_path / "bank.sqlite")
    encoded = []
    encode_batch = encode._encode_batch
    monkeypatch.setattr(encode, "_encode_batch", lambda clip, batch, *more: (
        encoded.extend((content, view) for content, view, _ in batch) or encode_batch(clip, batch, *more)))  # fmt: skip
    drawn = set()
    for shots, seed in itertools.product((1, 2, 4), (1, 2)):
        picks, _ = promptlab.sample_few_shot(data.train.labels, data.val.labels, shots=shots, seed=seed)
        train = data.train.take(picks)
        drawn.update(train.content_ids())
        learner = CoOp(clip, data.class_names, n_ctx=2, optim=Optim(epochs=1))
        promptlab.fit(learner, train, bank=bank, views=2, seed=seed, trainer={"enable_progress_bar": False})
    assert len(encoded) == len(set(encoded)) == 2 * len(drawn)
    assert len(drawn) < 6 * 12 * 7 / 3  # the draws overlap, or this shows nothing


def kept_bytes(clip, step):
    """Bytes that autograd keeps between forward and backward, without the model's own weights; each memory once."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in clip.model.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no other memory takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        answer = step()
    answer.sum().backward()
    return sum(size for size, _ in kept.values())


def test_bytes_kept_by_a_coop_step():
    """Less than an eighth of what the plain encoding keeps, and no more than the tower's own estimate."""
    clip = tiny_clip()
    learner = CoOp(clip, NAMES, n_ctx=16)
    plain = PlainPrompts(clip, NAMES, 16)
    ours = kept_bytes(clip, learner.text_features)
    theirs = kept_bytes(clip, lambda: plain.encode(learner.ctx))
    assert ours < theirs / 8
    from promptlab.clip.text import memory

    blocks = learner.prompts(learner.ctx)[2].blocks
    estimate = memory.prefix_bytes(clip.text_tower, 17, True) + sum(
        b.pairs * memory.pair_bytes(clip.text_tower, b.prefix_length, b.tail_length, True) for b in blocks
    )
    assert ours < 1.25 * estimate


def test_views_are_read_and_written_together(tmp_path, monkeypatch):
    """One state of the database for all views of a list of images, one transaction for what was encoded."""
    clip, data = promptlab.load_clip("demo"), promptlab.demo_dataset("demo_textures")
    bank, items = FeatureBank(tmp_path / "bank.sqlite"), data.train.take(range(10))
    used = []
    for kind in ("reading", "writing"):
        method = getattr(Database, kind)
        monkeypatch.setattr(
            Database, kind, lambda self, work, kind=kind, method=method: used.append(kind) or method(self, work)
        )
    monkeypatch.setattr(gathering, "_COMMIT_SECONDS", 60.0)
    first = bank.features(clip, items, views=5, progress=False)
    assert used.count("writing") == 1
    used.clear()
    again = bank.features(clip, items, views=5, progress=False)
    assert used == ["reading", "reading"]  # the features, and whether their time of use needs a note
    assert torch.equal(first, again)
    one = bank.features(clip, items, views=1, progress=False)
    assert torch.equal(one[:, 0], first[:, 0])


def test_an_image_in_a_list_twice_is_found_once(tmp_path):
    """Repeated and reordered items get their own rows, whichever of their positions the source has them at."""
    clip, data = promptlab.load_clip("demo"), promptlab.demo_dataset("demo_textures")
    bank = FeatureBank(tmp_path / "bank.sqlite")
    mixed = bank.features(clip, data.train.take([5, 3, 5, 9, 3]), progress=False)
    plain = bank.features(clip, data.train.take([3, 5, 9]), progress=False)
    assert torch.equal(mixed, plain[[1, 0, 1, 2, 0]])
