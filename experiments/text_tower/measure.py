"""Time and peak memory of the exact text tower against the plain full-length encoding, ViT-B/16's text tower.

Each side runs in a process of its own for its memory; then both run interleaved in one process for their times.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import open_clip
import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from torch import Tensor
from torch.nn import functional as F

from promptlab.clip import ClassPrompts, FrozenCLIP

FIRST = ("red", "blue", "old", "new", "tall", "small", "dark", "bright", "cold", "warm")
SECOND = ("house", "star", "boat", "tree", "lake", "road", "hill", "cat", "dog", "bird")
NAMES = [f"{first} {second}" for first in FIRST for second in SECOND]
M = 16
Step = Callable[[Tensor], tuple[Tensor, Tensor]]


def build() -> FrozenCLIP:
    """ViT-B/16's text tower with random weights; the image tower is a stub."""
    torch.manual_seed(0)
    vision = CLIPVisionCfg(layers=1, width=64, head_width=64, patch_size=16, image_size=16)
    model = CLIP(512, vision, CLIPTextCfg(width=512, heads=8, layers=12), quick_gelu=True)
    return FrozenCLIP(model, open_clip.SimpleTokenizer(), None, "ViT-B-16 text")


def plain_step(clip: FrozenCLIP) -> Step:
    """What research code does: all 77 tokens of every class, then pick the end-of-text token."""
    model = clip.model
    tokens = open_clip.tokenize([" ".join(["X"] * M) + f" {name}." for name in NAMES])
    with torch.no_grad():
        embedded = model.token_embedding(tokens)
    ends = tokens.argmax(-1)

    def step(ctx: Tensor) -> tuple[Tensor, Tensor]:
        prompts = torch.cat([embedded[:, :1], ctx.expand(len(NAMES), -1, -1), embedded[:, 1 + M :]], dim=1)
        x = model.transformer(prompts + model.positional_embedding, attn_mask=model.attn_mask)
        features = F.normalize(model.ln_final(x)[torch.arange(len(x)), ends] @ model.text_projection, dim=-1)
        return features, torch.autograd.grad((features * weights(features)).sum(), ctx)[0]

    return step


def exact_step(clip: FrozenCLIP) -> Step:
    """The exact tower."""
    prompts = ClassPrompts(clip, NAMES, n_ctx=M)

    def step(ctx: Tensor) -> tuple[Tensor, Tensor]:
        features = clip.text_tower.encode(*prompts(ctx))
        return features, torch.autograd.grad((features * weights(features)).sum(), ctx)[0]

    return step


def weights(features: Tensor) -> Tensor:
    """The same loss on both sides."""
    return torch.randn(features.shape, generator=torch.Generator().manual_seed(1))


def peak(side: str) -> float:
    """Peak memory of one step beyond the loaded model, in MiB, in this process."""
    clip = build()
    step = {"plain": plain_step, "exact": exact_step}[side](clip)
    ctx = torch.zeros(M, 512, requires_grad=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step(ctx)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peak", choices=("plain", "exact"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.peak:
        print(peak(options.peak))
        return
    memory = {}
    for side in ("plain", "exact"):
        command = [sys.executable, __file__, "--peak", side]
        memory[side] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    clip = build()
    steps = {"plain": plain_step(clip), "exact": exact_step(clip)}
    ctx = (0.02 * torch.randn(M, 512)).requires_grad_()
    answers = {side: step(ctx) for side, step in steps.items()}
    difference = float((answers["plain"][0] - answers["exact"][0]).detach().abs().max())
    gradient = float((answers["plain"][1] - answers["exact"][1]).norm() / answers["plain"][1].norm())
    seconds = {side: [] for side in steps}
    for _ in range(options.rounds):
        for side, step in steps.items():
            start = time.perf_counter()
            step(ctx)
            seconds[side].append(time.perf_counter() - start)
    median = {side: statistics.median(times) for side, times in seconds.items()}
    report = {
        "classes": len(NAMES),
        "n_ctx": M,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "seconds": seconds,
        "median_seconds": median,
        "ratio": median["plain"] / median["exact"],
        "peak_mib_beyond_model": memory,
        "largest_feature_difference": difference,
        "relative_gradient_difference": gradient,
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
