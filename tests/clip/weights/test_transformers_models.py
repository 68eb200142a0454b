"""Models of transformers give what ``get_image_features`` and ``get_text_features`` give."""

import json

import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    ChineseCLIPConfig,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPModel,
    SiglipConfig,
    SiglipModel,
)

from promptlab.clip import load_clip
from promptlab.clip.text.causal import CausalTower
from promptlab.clip.text.full import FullTower
from promptlab.clip.text.hugging_face import HuggingFaceTower
from promptlab.clip.weights.checkpoints import CheckpointError
from promptlab.clip.weights.sources import WeightsUnavailableError
from promptlab.clip.weights.transformers_state import ImportedModelError
from promptlab.learners import CoOp
from tests.helpers.towers import own_encoding, prompt_of, write_tokenizer

TEXTS = ["a photo of a red star.", "old boat"]
SIZES = {"hidden_size": 32, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = SIZES | {"image_size": 32, "patch_size": 16}
TEXT = SIZES | {"vocab_size": 64, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
MEAN, STD = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
CROPPED = {"do_center_crop": True, "size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
SQUASHED = {"size": {"height": 32, "width": 32}}


def clip(**text):
    own = TEXT | {"max_position_embeddings": 20} | text
    return CLIPModel(CLIPConfig(text_config=own, vision_config=VISION, projection_dim=24))


def siglip():
    return SiglipModel(SiglipConfig(text_config=TEXT | {"max_position_embeddings": 20}, vision_config=VISION))


def chinese():
    return ChineseCLIPModel(ChineseCLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=24))


CASES = {
    "clip": (clip, CausalTower, CROPPED, {"opening": "[CLS]", "closing": ","}),  # the highest id
    "clip_eos": (lambda: clip(eos_token_id=3), CausalTower, CROPPED, {"opening": "[CLS]", "closing": "[UNK]"}),
    "siglip": (siglip, FullTower, SQUASHED, {"opening": "", "closing": "[SEP]"}),
    "chinese_clip": (chinese, HuggingFaceTower, SQUASHED, {}),
}


def save(model, folder, settings, **around):
    with torch.no_grad():
        for parameter in model.parameters():
            nn.init.normal_(parameter, mean=float(parameter.mean()) if parameter.ndim < 2 else 0, std=0.2)
    model.eval().save_pretrained(folder)
    write_tokenizer(folder, **around)
    settings = {"image_mean": MEAN, "image_std": STD, "resample": 2} | settings
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return model


@pytest.fixture(params=CASES)
def both(request, tmp_path):
    build, tower, settings, around = CASES[request.param]
    model = save(build(), tmp_path, settings, **around)
    loaded = load_clip(f"transformers:{tmp_path}")
    assert type(loaded.text_tower) is tower
    return model, loaded


def features(output):
    return output if isinstance(output, torch.Tensor) else output.pooler_output


def test_features_equal_their_own(both):
    model, loaded = both
    ids = loaded.tokenizer(TEXTS)
    masked = {} if isinstance(loaded.text_tower, FullTower) else {"attention_mask": (ids != 0).long()}
    with torch.no_grad():
        texts = features(model.get_text_features(input_ids=ids, **masked))
        images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        pictures = features(model.get_image_features(pixel_values=images))
    torch.testing.assert_close(loaded.encode_texts(TEXTS, normalised=False), texts, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(loaded.encode_images(images, normalised=False), pictures, atol=1e-5, rtol=1e-5)
    assert loaded.logit_scale == pytest.approx(model.logit_scale.exp().item())
    assert loaded.logit_bias == pytest.approx(getattr(model, "logit_bias", torch.tensor(0.0)).item())


def test_the_processors_settings_hold(both):
    _, loaded = both
    assert (list(loaded.image_mean), list(loaded.image_std), loaded.image_size) == (MEAN, STD, 32)
    assert "bilinear" in repr(loaded.preprocess)
    assert ("CenterCrop" in repr(loaded.preprocess)) == isinstance(loaded.text_tower, CausalTower)


def test_prompts_are_learned_on_them(both):
    _, loaded = both
    learner = CoOp(loaded, ["red star", "boat"], n_ctx=2)
    own = own_encoding(loaded, [prompt_of(loaded, name, learner.ctx) for name in ("red star", "boat")])
    torch.testing.assert_close(learner.text_features(), own, atol=1e-5, rtol=0)


def test_fingerprints_are_of_the_weights(tmp_path):
    for name in ("one", "two"):
        save(clip(), tmp_path / name, CROPPED)
    one, again, two = (load_clip(f"transformers:{tmp_path / name}").fingerprint for name in ("one", "one", "two"))
    assert one == again != two


def test_other_models_are_refused(tmp_path):
    BertModel(BertConfig(**TEXT)).save_pretrained(tmp_path)
    with pytest.raises(ImportedModelError, match=r"is a 'bert' of transformers: allowed are clip, siglip, "):
        load_clip(f"transformers:{tmp_path}")


def test_weights_that_lack_some_are_refused(tmp_path):
    save(clip(), tmp_path, CROPPED)
    from safetensors.torch import load_file, save_file

    state = load_file(tmp_path / "model.safetensors")
    del state["text_projection.weight"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lack or misfit text_projection\.weight"):
        load_clip(f"transformers:{tmp_path}")


@pytest.mark.parametrize(
    ("settings", "message"),
    [(SQUASHED | {"size": {"height": 64, "width": 64}}, "of a tower of 32 pixels"), ({"resample": 5}, "resample=5")],
)
def test_transforms_that_open_clip_has_not_are_refused(tmp_path, settings, message):
    save(clip(), tmp_path, SQUASHED | settings)
    with pytest.raises(ImportedModelError, match=message):
        load_clip(f"transformers:{tmp_path}")


def test_activations_that_differ_or_are_unknown_are_refused(tmp_path):
    save(clip(hidden_act="gelu"), tmp_path / "mixed", SQUASHED)
    with pytest.raises(ImportedModelError, match="one tower has QuickGELU"):
        load_clip(f"transformers:{tmp_path / 'mixed'}")
    save(clip(hidden_act="relu"), tmp_path / "relu", SQUASHED)
    with pytest.raises(ImportedModelError, match="hidden_act='relu'"):
        load_clip(f"transformers:{tmp_path / 'relu'}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pretrained": "openai"}, "brings its own weights and activation"),
        ({"precision": "bf16"}, "models of transformers are loaded in fp32"),
        ({"transform_of": "openai"}, "brings its own transform"),
    ],
)
def test_needless_arguments_are_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_clip(f"transformers:{tmp_path}", **arguments)


def test_a_missing_folder_and_an_empty_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        load_clip(f"transformers:{tmp_path}/nowhere")
    with pytest.raises(WeightsUnavailableError, match=r"can't be loaded .*a folder is given as 'transformers:FOLDER'"):
        load_clip(f"transformers:{tmp_path}")
