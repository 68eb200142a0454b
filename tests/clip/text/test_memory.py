"""ImageNet's size on ViT-B/16's text tower: one forward and backward pass, in a process of its own."""

import subprocess
import sys

SCRIPT = """
import resource, torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from promptlab.clip import ClassPrompts, FrozenCLIP
from tests.helpers.models import class_names
import open_clip
vision = CLIPVisionCfg(layers=1, width=64, head_width=64, patch_size=16, image_size=224)  # no image is looked at
model = CLIP(512, vision, CLIPTextCfg(width=512, heads=8, layers=12), quick_gelu=True)
clip = FrozenCLIP(model, open_clip.SimpleTokenizer(), None, "ViT-B-16")
prompts = ClassPrompts(clip, class_names(1000, longest=4), n_ctx=16)
ctx = torch.zeros(16, 512, requires_grad=True)
prefix, tails, plan = prompts(ctx)
features = clip.text_tower.encode(prefix, tails, plan)
features.sum().backward()
(chunks,) = plan.gathers.values()
print(len(chunks), sum(tails.lengths), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_a_thousand_classes_fit_without_recomputing():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    chunks, tokens, peak = (int(word) for word in done.stdout.split())
    assert chunks == 1
    assert tokens > 4000
    assert peak < 3.7 * 2**30
