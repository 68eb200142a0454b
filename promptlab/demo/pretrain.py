"""``python -m promptlab.demo.pretrain``: train the demo's tiny CLIP and write its weights.

CLIP's recipe in small (https://arxiv.org/abs/2103.00020): the symmetric contrastive loss with a learned temperature,
capped at 100, over pictures and captions of the demo's world. What makes it fast on two cores: pictures are rendered
once and cropped anew in every step, each distinct caption of a batch is encoded once, texts are cut at the longest
end-of-text token (exact, since the text tower is causal), and the token table holds only tokens that captions use.
Equal captions in a batch are all positives of their pictures.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from promptlab.demo.captions import caption
from promptlab.demo.model import ARCHITECTURE, MEAN, METADATA, STD, TOKEN_IDS, TOKEN_TABLE, WEIGHTS, build
from promptlab.demo.scenes import pretraining_picture
from promptlab.demo.world import WORLD_VERSION, Picture, render
from promptlab.support.files import write_bytes_atomic

log = logging.getLogger("promptlab.demo.pretrain")


@dataclass(frozen=True)
class Settings:
    """What the weights follow from.

    Args:
        pictures: how many are rendered.
        steps: optimisation steps.
        batch_size: pairs per step.
        lr: peak learning rate of AdamW.
        seed: of everything random.
    """

    pictures: int = 60_000
    steps: int = 1_500
    batch_size: int = 256
    lr: float = 1e-3
    seed: int = 0


def pretrain(settings: Settings, architecture: dict[str, Any] | None = None) -> bytes:
    """Train from scratch; the answer is the weights file.

    Args:
        settings: see :class:`Settings`.
        architecture: another than the demo's own.
    """
    random = np.random.RandomState(settings.seed)
    pictures = [pretraining_picture(random) for _ in range(settings.pictures)]
    pixels = torch.from_numpy(np.stack([render(picture) for picture in pictures]))  # (N, 32, 32, 3)
    log.info("rendered %d pictures", len(pictures))
    facts = architecture or ARCHITECTURE
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = build(facts)
    ids = _compact_tokens(model, pictures)
    _train(model, pictures, pixels, ids, settings, random)
    return _pack(model, ids, settings, facts)


def _train(
    model: CLIP,
    pictures: Sequence[Picture],
    pixels: Tensor,
    ids: Sequence[int],
    settings: Settings,
    random: np.random.RandomState,
) -> None:
    tokenizer = SimpleTokenizer()
    compact = torch.zeros(tokenizer.vocab_size, dtype=torch.long)
    compact[list(ids)] = torch.arange(len(ids))
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    groups = [
        {"params": decayed, "weight_decay": 0.05, "pace": 1},
        {"params": plain, "weight_decay": 0.0, "pace": 1},
        {"params": [model.logit_scale], "weight_decay": 0.0, "pace": 5},  # few steps, so a fast temperature
    ]
    optimiser = torch.optim.AdamW(groups, lr=settings.lr, betas=(0.9, 0.98))
    model.train()
    start = time.monotonic()
    for step in range(settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = group["pace"] * settings.lr * _schedule(step, settings.steps)
        rows = random.randint(len(pictures), size=settings.batch_size)
        texts = [caption(pictures[row], random) for row in rows]
        distinct = sorted(set(texts))
        images = F.normalize(model.encode_image(_augmented(pixels[rows], random)), dim=-1)
        features = F.normalize(_encode_texts(model, tokenizer(distinct), compact), dim=-1)
        loss = _contrastive(images, features, [distinct.index(text) for text in texts], model.logit_scale.exp())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=math.log(100))
        if step % 50 == 0 or step + 1 == settings.steps:
            pace = (time.monotonic() - start) / (step + 1)
            log.info("step %d of %d  loss %.3f  %.2f s a step", step, settings.steps, loss.item(), pace)


def _contrastive(images: Tensor, texts: Tensor, owner: Sequence[int], scale: Tensor) -> Tensor:
    """CLIP's symmetric loss over B images (B, D) and U distinct captions (U, D); ``owner`` names each image's one."""
    logits = scale * images @ texts.T  # (B, U)
    target = torch.tensor(owner)
    by_image = F.cross_entropy(logits, target)
    positive = F.one_hot(target, len(texts)).float()
    share = positive / positive.sum(0, keepdim=True)  # a caption's pictures share its probability
    by_text = -(share * logits.log_softmax(0)).sum() / len(texts)
    return (by_image + by_text) / 2


def _encode_texts(model: CLIP, tokens: Tensor, compact: Tensor) -> Tensor:
    """Open_clip's text encoding (U, D) of token ids (U, 77), cut at the longest end-of-text token."""
    ends = tokens.argmax(-1)
    tokens = tokens[:, : int(ends.max()) + 1]
    length = tokens.shape[1]
    x = model.token_embedding(compact[tokens]) + model.positional_embedding[:length]
    x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    features: Tensor = model.ln_final(x)[torch.arange(len(x)), ends] @ model.text_projection
    return features


def _augmented(pixels: Tensor, random: np.random.RandomState) -> Tensor:
    """Random crops of (B, 32, 32, 3) bytes, as normalised (B, 3, 32, 32)."""
    count = len(pixels)
    scale = np.where(random.uniform(size=count) < 0.7, np.sqrt(random.uniform(0.3, 1.0, count)), 1.0)
    theta = np.zeros((count, 2, 3), dtype=np.float32)
    theta[:, 0, 0] = scale * random.choice([-1, 1], count)
    theta[:, 1, 1] = scale
    theta[:, :, 2] = random.uniform(-1, 1, (count, 2)) * (1 - scale)[:, None]
    images = pixels.permute(0, 3, 1, 2).float() / 255
    grid = F.affine_grid(torch.from_numpy(theta), list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return (images - mean) / std


def _schedule(step: int, steps: int) -> float:
    warmup = min(200, steps // 10)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _compact_tokens(model: CLIP, pictures: Sequence[Picture]) -> list[int]:
    """Swap the token table for one of the tokens that captions use; their ids, sorted."""
    tokenizer = SimpleTokenizer()
    random = np.random.RandomState(0)
    words = {word for _ in range(20) for picture in pictures[:5000] for word in caption(picture, random).split()}
    ids = sorted({int(i) for word in words for i in tokenizer(word)[0]} | {tokenizer.encode(".")[0]})
    table = nn.Embedding(len(ids), model.token_embedding.embedding_dim)
    table.weight.data.copy_(model.token_embedding.weight.data[ids])
    model.token_embedding = table
    return ids


def _pack(model: CLIP, ids: Sequence[int], settings: Settings, architecture: dict[str, Any]) -> bytes:
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    tensors[TOKEN_IDS] = torch.tensor(ids, dtype=torch.int32)
    assert len(tensors[TOKEN_TABLE]) == len(ids)
    facts = {"world_version": WORLD_VERSION, "architecture": architecture, "settings": vars(settings)}
    return save(tensors, {METADATA: json.dumps(facts)})  # one key: safetensors writes several in no fixed order


def main() -> None:
    """The command line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(prog="python -m promptlab.demo.pretrain", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    content = pretrain(Settings(steps=options.steps))
    write_bytes_atomic(options.out, content)
    log.info("wrote %s, %.1f MB", options.out, len(content) / 1e6)


if __name__ == "__main__":
    main()
