"""Small models of every kind of text tower, and their own encoding with vectors in place of token embeddings."""

import open_clip
import torch
from open_clip.coca_model import CoCa
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, M2M100Config, MT5Config, PreTrainedTokenizerFast, RobertaConfig, XLMRobertaConfig

from promptlab.clip.frozen import FrozenCLIP
from tests.helpers.models import MEAN, STD

WORDS = ("a", "photo", "of", "red", "blue", "old", "star", "boat", "tree", "house", ".", ",")
SPECIALS = ("[PAD]", "[CLS]", "[SEP]", "[UNK]")
VISION = {"layers": 1, "width": 64, "head_width": 32, "patch_size": 16, "image_size": 32}
TEXT = {"width": 32, "heads": 2, "layers": 3, "vocab_size": 64}
MULTIMODAL = {"width": 32, "heads": 2, "layers": 1, "context_length": 20}
FULL = {
    "siglip": {
        "custom_text": True,
        "init_logit_bias": -10.0,
        "text": {"no_causal_mask": True, "pool_type": "last", "proj_bias": True, "context_length": 20},
        "tokens": {"opening": "", "closing": "[SEP]"},
    },
    "siglip2": {
        "custom_text": True,
        "init_logit_bias": -10.0,
        "text": {"no_causal_mask": True, "pool_type": "last", "proj_type": "none", "context_length": 20},
        "tokens": {"opening": "", "closing": ""},
    },
    "clipa": {
        "text": {"no_causal_mask": True, "pool_type": "last", "context_length": 20},
        "tokens": {"opening": "[CLS]", "closing": "[SEP]", "strip_sep_token": True},
    },
    "clips": {
        "text": {"no_causal_mask": True, "pool_type": "last", "context_length": 20},
        "tokens": {"opening": "[CLS]", "closing": "[SEP]", "tokenizer_mode": "clips"},
    },
    "mobileclip": {
        "custom_text": True,
        "text": {"no_causal_mask": True, "context_length": 20, "vocab_size": 49408, "ls_init_value": 0.5},
    },
    "first": {"custom_text": True, "text": {"pool_type": "first", "no_causal_mask": True, "context_length": 20},
              "tokens": {"opening": "[CLS]", "closing": "[SEP]"}},
    "odd_blocks": {
        "custom_text": True,
        "text": {"context_length": 20, "vocab_size": 49408, "qk_norm": True},
    },
    "coca": {
        "custom_text": True,
        "multimodal_cfg": MULTIMODAL,
        "text": {"embed_cls": True, "output_tokens": True, "context_length": 19, "vocab_size": 49408},
    },
}  # fmt: skip
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SEQ2SEQ = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_layers": 1,
           "decoder_attention_heads": 2, "decoder_ffn_dim": 64}  # fmt: skip
COMMON = {"vocab_size": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
HUGGING_FACE = {
    "roberta": (RobertaConfig(**SIZES, **COMMON, max_position_embeddings=40), "mean_pooler", "mlp"),
    "xlm-roberta": (XLMRobertaConfig(**SIZES, **COMMON, max_position_embeddings=40), "mean_pooler", "mlp"),
    "bert": (BertConfig(**SIZES, **COMMON, max_position_embeddings=40), "cls_last_hidden_state_pooler", "mlp"),
    "bert_pooled": (BertConfig(**SIZES, **COMMON, max_position_embeddings=40), "cls_pooler", "linear"),
    "mt5": (
        MT5Config(**COMMON, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, decoder_start_token_id=0),
        "mean_pooler",
        "mlp",
    ),
    "nllb": (M2M100Config(**SEQ2SEQ, **COMMON, max_position_embeddings=40, scale_embedding=True), "cls_pooler",
             "linear"),
}  # fmt: skip
KINDS = (*FULL, *HUGGING_FACE)
CAUSAL = {
    "worldwide": {
        "text": {"pool_type": "eos", "eos_id": 2, "context_length": 20},
        "tokens": {"opening": "", "closing": "[SEP]"},
    }
}
"""Causal, without a token before the words."""


def write_tokenizer(folder, opening="[CLS]", closing="[SEP]"):
    """A word-level tokenizer of a few words; an opening and a closing as the kind has them."""
    vocabulary = {word: number for number, word in enumerate((*SPECIALS, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    template = " ".join(filter(None, (opening, "$A", closing)))
    specials = [(token, vocabulary[token]) for token in (opening, closing) if token]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=specials)
    roles = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    roles |= {"bos_token": "[CLS]", "eos_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles).save_pretrained(folder)
    return str(folder)


def full_model(kind, folder):
    """A model with a text transformer of open_clip's, and its tokenizer."""
    cfg = dict((FULL | CAUSAL)[kind])
    asked = dict(cfg.pop("tokens", {}))
    text = TEXT | cfg.pop("text")
    if asked:
        around = {name: asked.pop(name) for name in ("opening", "closing")}
        name = write_tokenizer(folder, **around)
        tokenizer = open_clip.tokenizer.HFTokenizer(name, context_length=text["context_length"], **asked)
    else:
        tokenizer = open_clip.SimpleTokenizer(context_length=text["context_length"])
    custom = cfg.pop("custom_text", False)
    kind_of_model = CoCa if "multimodal_cfg" in cfg else open_clip.CustomTextCLIP if custom else open_clip.CLIP
    vision = VISION | ({"output_tokens": True} if kind_of_model is CoCa else {})
    return kind_of_model(embed_dim=32, vision_cfg=vision, text_cfg=text, **cfg), tokenizer


def hugging_face_model(kind, folder):
    """A model with a small random text encoder of transformers, and its tokenizer."""
    config, pooler, projection = HUGGING_FACE[kind]
    config.save_pretrained(folder)
    write_tokenizer(folder)
    text = {
        "hf_model_name": str(folder),
        "hf_tokenizer_name": str(folder),
        "hf_model_pretrained": False,
        "hf_pooler_type": pooler,
        "hf_proj_type": projection,
    }
    model = open_clip.CustomTextCLIP(embed_dim=48, vision_cfg=VISION, text_cfg=text)
    return model, open_clip.tokenizer.HFTokenizer(str(folder), context_length=20)


def tower_clip(kind, folder, **kwargs):
    """A small frozen model of a kind, random but lively."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, tokenizer = (hugging_face_model if kind in HUGGING_FACE else full_model)(kind, folder)
        for parameter in model.parameters():
            if parameter.ndim == 1:
                nn.init.normal_(parameter, mean=float(parameter.detach().mean()), std=0.1)
        for module in model.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.5)
    preprocess = open_clip.transform.image_transform(32, is_train=False, mean=MEAN, std=STD)
    return FrozenCLIP(model, tokenizer, preprocess, kind, **kwargs)


def own_encoding(clip, prompts):
    """The model's own ``encode_text`` of prompts, each a list of token ids and vectors: (N, D), L2-normalised."""
    reserved = clip.tokens.reserved
    rows = [clip.tokens.filler(clip.context_length + reserved) for _ in prompts]
    word = clip.tokens.words("a")[0]
    places, vectors = [], []
    for n, (row, prompt) in enumerate(zip(rows, prompts, strict=True)):
        for position, token in enumerate(prompt):
            row[position] = token if isinstance(token, int) else word
            if not isinstance(token, int):
                places.append((n, position))
                vectors.append(token)

    def replace(_module, _inputs, embedded):
        if not places:
            return embedded
        index = torch.tensor(places).T
        return embedded.index_put((index[0], index[1]), torch.stack(vectors))

    handle = clip.text_tower.token_embedding.register_forward_hook(replace)
    try:
        features = clip.model.encode_text(torch.tensor(rows))
    finally:
        handle.remove()
    return F.normalize(features.float(), dim=-1)


def prompt_of(clip, name, context, position="end", ending="."):
    """CoOp's prompt written out."""
    words = clip.tokens.later_words(name)
    rest = clip.tokens.later_words(f"{name}{ending}")[len(words) :]
    context, half = list(context), len(context) // 2
    middle = {
        "end": [*context, *words, *rest],
        "middle": [*context[:half], *words, *context[half:], *rest],
        "front": [*words, *context, *rest],
    }[position]
    return [*clip.tokens.opening, *middle, *clip.tokens.closing]
