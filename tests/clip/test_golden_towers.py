"""The towers with what second-generation methods add to them, against what those authors' own code computes."""

import json

import torch
from torch.nn import functional as F

from promptlab.clip import Inserted
from promptlab.prompts import ClassPrompts, ClassTexts, WrittenPrompts
from tests.helpers.edited import as_adapters
from tests.helpers.golden import read_golden
from tests.helpers.models import freeze, rule_model, rule_tensor

SHAPES = {"embed_dim": 48, "text_width": 96, "text_heads": 4}
STANDARD, DEEP = SHAPES | {"text_layers": 3, "vision_layers": 2}, SHAPES | {"text_layers": 4, "vision_layers": 4}


def golden(name, shapes):
    tensors, metadata = read_golden(f"{name}.safetensors")
    return tensors, metadata, json.loads(metadata["class_names"]), freeze(rule_model(int(metadata["salt"]), **shapes))


def ruled(name, shape, metadata, scale):
    return rule_tensor(name, shape, int(metadata["salt"]), scale)


def close(actual, expected):
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


def test_tcp_contexts_of_each_class_before_a_layer():
    tensors, metadata, names, clip = golden("tcp", DEEP)
    ctx = ruled("ctx", (4, 96), metadata, 0.02)
    for case, words, ending in (("pets", "", ", a type of pet."), ("ucf101", "person doing", ".")):
        prompts = ClassPrompts(clip, names, n_ctx=4, words=words, ending=ending)
        own = tensors[f"tcp.{case}.class_prompts"]
        close(prompts.encode(ctx, deep={2: own}), tensors[f"tcp.{case}.text_features"])


def test_mmrl_tokens_from_a_later_layer_in_both_towers():
    tensors, metadata, names, clip = golden("mmrl", DEEP)
    start = "representation_learner.compound_rep_tokens"
    tokens = ruled(start, (5, 32), metadata, 0.02)

    def projected(tower, width):
        projections = range(3)
        weights = [ruled(f"{start}_r2{tower}proj.{j}.weight", (width, 32), metadata, 0.1) for j in projections]
        biases = [ruled(f"{start}_r2{tower}proj.{j}.bias", (width,), metadata, 0.05) for j in projections]
        return Inserted({1 + j: tokens @ weights[j].T + biases[j] for j in projections})

    images = ruled("images", (6, 3, 32, 32), metadata, 1.0)
    texts = WrittenPrompts(clip, names, template="a photo of a {}, a type of pet.").encode(inserted=projected("t", 96))
    close(texts, tensors["mmrl.text_features"])
    features, inside = clip.encode_image_tokens(images, projected("v", 64))
    close(F.normalize(features, dim=-1), tensors["mmrl.image_features"])
    head = F.normalize(inside.mean(1) @ ruled("image_encoder.proj_rep", (64, 48), metadata, 0.125), dim=-1)
    close(100 * head @ texts.T, tensors["mmrl.logits_rep"])


def test_mmrlpp_mixes_what_stands_there():
    tensors, metadata, names, clip = golden("mmrl", DEEP)
    start = "representation_learner"
    tokens = ruled(f"{start}.compound_rep_tokens", (5, 32), metadata, 0.02)

    def projected(tower, width):
        own = f"{start}.srra_r2{tower}proj"
        shared = ruled(f"{own}.weight", (width, 32), metadata, 0.1)
        found = {}
        for j in range(3):
            A = ruled(f"{own}.srra.{j}.A", (width, 4), metadata, 0.1)
            B = ruled(f"{own}.srra.{j}.B", (4, 32), metadata, 0.1)
            found[1 + j] = tokens @ (shared + A @ B).T + ruled(f"{own}.srra.{j}.bias", (width,), metadata, 0.05)
        return Inserted(found, share=0.6)

    texts = WrittenPrompts(clip, names, template="a photo of a {}, a type of pet.").encode(inserted=projected("t", 96))
    close(texts, tensors["mmrlpp.text_features"])
    images = ruled("images", (6, 3, 32, 32), metadata, 1.0)
    features, _ = clip.encode_image_tokens(images, projected("v", 64))
    close(F.normalize(features, dim=-1), tensors["mmrlpp.image_features"])


def low_rank(metadata, prefix, layers, width, parts):
    def name(layer, part, side):
        own = "attn.proj" if part == "o" else f"attn.{part}_proj"
        return f"{prefix}transformer.resblocks.{layer}.{own}.w_lora_{side}"

    scale = 2**-0.5  # alpha / sqrt(r)
    return {
        (layer, part): (
            ruled(name(layer, part, "A"), (2, width), metadata, width**-0.5),
            scale * ruled(name(layer, part, "B"), (width, 2), metadata, 0.05),
        )
        for layer in range(layers)
        for part in parts
    }


def test_clip_lora_in_both_towers_and_in_one():
    tensors, metadata, names, clip = golden("clip_lora", STANDARD)
    images = ruled("images", (len(tensors["labels"]), 3, 32, 32), metadata, 1.0)
    prompts = WrittenPrompts(clip, names, template="a photo of a {}.")
    text = as_adapters(low_rank(metadata, "", 3, 96, "qkv"), {})
    vision = as_adapters(low_rank(metadata, "visual.", 2, 64, "qkv"), {})
    close(100 * clip.encode_images(images) @ prompts.encode().T, tensors["zero_shot_logits"])
    both = 100 * clip.encode_images(images, adapters=vision) @ prompts.encode(adapters=text).T
    close(both, tensors["clip_lora.logits"])
    close(100 * clip.encode_images(images) @ prompts.encode(adapters=text).T, tensors["clip_lora.text_only.logits"])


def test_two_stage_gradients_of_layer_norms():
    tensors, metadata, names, clip = golden("two_stage", STANDARD)
    base = names[: int(tensors["n_base"])]
    images = ruled("images", (len(tensors["labels"]), 3, 32, 32), metadata, 1.0)
    norms = {"": {}, "visual.": {}}
    for prefix, blocks in (
        ("", clip.model.transformer.resblocks),
        ("visual.", clip.model.visual.transformer.resblocks),
    ):
        for layer, block in enumerate(blocks):
            for part in ("ln_1", "ln_2"):
                norm = getattr(block, part)
                pair = (norm.weight.detach().clone(), norm.bias.detach().clone())
                norms[prefix][layer, part] = tuple(tensor.requires_grad_() for tensor in pair)
    f = clip.encode_images(images, adapters=as_adapters({}, norms["visual."]))
    g = WrittenPrompts(clip, base, template="a photo of a {}.").encode(adapters=as_adapters({}, norms[""]))
    logits = clip.logit_scale * f @ g.T
    close(logits, tensors["two_stage.logits"])
    F.cross_entropy(logits, tensors["labels"]).backward()
    found = [key for key in tensors if key.startswith("two_stage.grad.")]
    assert len(found) == 20
    for prefix, own in norms.items():
        for (layer, part), pair in own.items():
            for name, tensor in zip(("weight", "bias"), pair, strict=True):
                expected = tensors[f"two_stage.grad.{prefix}transformer.resblocks.{layer}.{part}.{name}"]
                assert (tensor.grad - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_raw_text_features_of_taskres():
    tensors, metadata, names, clip = golden("adapters", STANDARD)
    template = metadata["template"]
    base = tensors["taskres.base_text_features"]
    close(ClassTexts(clip, names, template=template, normalised=False).features, base)
    several = ClassTexts(clip, names, templates=json.loads(metadata["templates"]), normalised=False)
    close(several.features, tensors["taskres.ensemble.base_text_features"])
