"""ATPrompt against the prompt written out token by token, and against what the authors' code computed."""

from functools import partial

import pytest
import torch

from promptlab.learners import ATPrompt, Batch, CoCoOp, CoOp, DePT, MaPLe, PromptSRC, TipAdapter
from tests.helpers.images import pictures
from tests.helpers.models import class_names, full_encode, tiny_clip
from tests.helpers.prompts_golden import close, hold, prompts_golden
from tests.helpers.settings import settings_of

WORDS = ["color", "shape", "size"]
COOP = partial(CoOp, n_ctx=2)


@pytest.fixture(scope="module")
def golden():
    return prompts_golden("atprompt")


def with_their_vectors(golden, learner):
    """Their parameters in place, and their names of these."""
    theirs = {"inner.ctx": "ctx"}
    theirs |= {f"inner.prompts.vectors.{i}": f"ctx_att{i + 1}" for i in range(len(learner.prompts.vectors))}
    for name, parameter in learner.named_parameters():
        own = theirs[name]
        parameter.data = golden.drawn(own, parameter.shape, 0.02 if own == "ctx" else 0.01)
    return theirs


def held(golden, learner, case):
    features = torch.nn.functional.normalize(golden.drawn("image_features", (6, 48), 1.0), dim=-1)
    theirs = with_their_vectors(golden, learner)
    hold(learner, theirs, Batch(features, golden.labels), golden.of(case))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_authors_numbers(golden, count):
    more = {"another dataset": WORDS}
    learner = ATPrompt(golden.clip, golden.names, inner=COOP, attributes=WORDS[:count], target_attributes=more)
    for number, vectors in enumerate(learner.prompts.spare, start=count + 1):
        vectors.copy_(golden.drawn(f"ctx_att{number}", vectors.shape, 0.01))
    held(golden, learner, f"atprompt.{count}")
    for number, vectors in enumerate(learner.prompts.spare, start=count + 1):  # theirs don't move without a word
        close(vectors, golden.of(f"atprompt.{count}")[f"after_3_steps.ctx_att{number}"], 1e-6)


def test_their_pets_are_a_prompt_that_was_cut(golden):
    """They read the first token of "playfulness" and two placeholders: not what promptlab reads, but all else is."""
    clip = golden.clip
    learner = ATPrompt(clip, golden.names, inner=COOP, attributes=["playfulness", "energy"])
    assert learner.prompts.prefix(learner.inner.ctx).shape == (2 + 2 + 2 + 1 + 2, clip.width)
    prompts = ATPrompt(clip, golden.names, inner=COOP, attributes=["x", "x"]).prompts
    prompts._prompts = type(prompts._prompts)(clip, golden.names, n_ctx=8, words="x")
    prompts._embedded[0] = clip.text_tower.embed(clip.encode_words("playfulness")[:1])
    learner.inner.prompts = prompts
    held(golden, learner, "atprompt.pets")


@pytest.mark.parametrize("words", [["color"], ["polka dotted", "shape"]])
def test_logits_are_of_the_prompt_written_out(words):
    clip, names = tiny_clip(), class_names(4)
    learner = ATPrompt(clip, names, inner=COOP, attributes=words, n_att=3)
    x = torch.nn.functional.normalize(torch.randn(3, clip.dim, generator=torch.Generator().manual_seed(1)), dim=-1)
    texts = []
    for name in names:
        rows = [clip.text_tower.embed([clip.sot_token])]
        for vectors, word in zip(learner.prompts.vectors, words, strict=True):
            rows += [vectors, clip.embed_words(word)]
        rows += [learner.inner.ctx, clip.embed_words(f"{name}."), clip.text_tower.embed([clip.eot_token])]
        prompt = torch.cat(rows)
        padded = torch.cat([prompt, prompt.new_zeros(77 - len(prompt), clip.width)])
        texts.append(full_encode(clip.model, padded[None], torch.tensor([len(prompt) - 1])))
    torch.testing.assert_close(learner(x), clip.logit_scale * x @ torch.cat(texts).T, atol=1e-4, rtol=0)


def test_vectors_start_smaller_than_the_context():
    learner = ATPrompt(tiny_clip(width=512), ["a"], inner=partial(CoOp, n_ctx=8), attributes=WORDS, n_att=8)
    spreads = [float(vectors.detach().std()) for vectors in learner.prompts.vectors]
    assert spreads == pytest.approx([0.01] * 3, rel=0.1)
    assert float(learner.inner.ctx.detach().std()) == pytest.approx(0.02, rel=0.1)


def test_deeper_layers_renew_the_context_alone():
    """A deep context of zeros changes what zeros at the context's places change, and nothing in front of them."""
    clip, names = tiny_clip(), class_names(3)
    learner = ATPrompt(clip, names, inner=partial(MaPLe, depth=2, ctx_init=None), attributes=["color", "shape"])
    prompts, ctx = learner.prompts, learner.inner.ctx
    whole = prompts._prompts
    kept = clip.text_tower.hidden_states(*whole(prompts.prefix(ctx)), layer=1)[0].rows[1:]  # without SOS
    deep = torch.cat([kept[:-2], learner.inner.deep_ctx[0]])
    expected = whole.encode(prompts.prefix(ctx), deep={1: deep})
    torch.testing.assert_close(learner.inner.text_features(), expected)
    (stage,) = learner.fit_plan()
    assert len(stage.parameters) == len(list(learner.parameters()))


def test_a_target_has_its_own_words():
    clip, names = tiny_clip(), class_names(3)
    table = {"dtd": ["pattern", "color", "design"], "ucf101": ["precision"], "else": ["color", "shape"]}
    learner = ATPrompt(clip, names, inner=COOP, attributes=["color", "shape"], target_attributes=table)
    assert len(learner.prompts.vectors) == 2
    assert learner.prompts.spare.shape == (1, 2, clip.width)
    bound = learner.rebind(["bus", "tree"])
    for dataset, words in table.items():
        scored = bound.tested_on(dataset, "imagenet")
        assert scored.prompts.words == tuple(words)
        starts = [*learner.prompts.vectors, *learner.prompts.spare][: len(words)]
        parts = [
            part for vectors, word in zip(starts, words, strict=True) for part in (vectors, clip.embed_words(word))
        ]
        assert torch.equal(scored.prompts.prefix(learner.inner.ctx), torch.cat([*parts, learner.inner.ctx]))
        assert scored.inner.text_features().shape == (2, clip.dim)
    assert bound.prompts.words == learner.prompts.words == ("color", "shape")
    assert bound.tested_on("imagenet", "imagenet") is bound
    assert bound.tested_on("eurosat", "imagenet").prompts.words == ("color", "shape")
    kept = {"inner.ctx", "inner.prompts.vectors.0", "inner.prompts.vectors.1", "inner.prompts.spare"}
    assert learner.learned_tensors().keys() == kept


def test_around_other_hosts():
    clip, names = tiny_clip(), class_names(3)
    src = partial(PromptSRC, prompt_depth_text=2, prompt_depth_vision=2)
    assert ATPrompt(clip, names, inner=src, attributes=["color"])(pictures()[:2]).shape == (2, 3)
    cocoop = ATPrompt(clip, names, inner=partial(CoCoOp, n_ctx=2, ctx_init=None), attributes=["color"])
    x = torch.nn.functional.normalize(torch.randn(2, clip.dim, generator=torch.Generator().manual_seed(1)), dim=-1)
    contexts = cocoop.inner.ctx + cocoop.inner.meta_net(x).unsqueeze(1)
    for image, ctx, logits in zip(x, contexts, cocoop(x), strict=True):
        texts = cocoop.prompts.encode(ctx)  # the attributes' vectors don't move with the image
        torch.testing.assert_close(logits, clip.logit_scale * texts @ image, atol=1e-4, rtol=0)
    dept = DePT(clip, names, inner=partial(ATPrompt, inner=COOP, attributes=["color"]))
    (stage,) = dept.fit_plan()
    assert {id(p) for p in dept.parameters()} == {id(p) for p in stage.parameters}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inner": TipAdapter}, "ATPrompt can't be put around TipAdapter as it is"),
        ({"inner": partial(CoOp, csc=True)}, "ATPrompt can't be put around CoOp as it is"),
        ({"inner": partial(CoOp, class_token_position="front")}, "ATPrompt can't be put around CoOp"),
        ({"attributes": []}, r"attributes=\[\]: a list of words is needed"),
        ({"target_attributes": {"dtd": [""]}}, r"dtd=\[''\]: a list of words is needed"),
        ({"n_att": 40}, "tokens with n_ctx=98, more than the context length"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ATPrompt(tiny_clip(), ["cat"], **{"inner": partial(CoOp), "attributes": ["color", "shape"], **arguments})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["dataset=eurosat"], (["habitat"], 2, 2, 100, 32)),
        (["dataset=dtd"], (["pattern", "color", "design"], 4, 4, 100, 32)),
        (["dataset=imagenet", "protocol=cross_dataset"], (["color", "shape"], 4, 4, 10, 32)),
        (["dataset=demo_shapes"], (["color", "shape"], 2, 2, 100, 32)),
        (["dataset=ucf101", "inner=cocoop"], (["precision"], 4, 4, 10, 1)),
        (["dataset=stanford_cars", "inner=cocoop"], (["luxury"], 6, 6, 10, 1)),
        (["dataset=oxford_flowers", "inner=cocoop"], (["color", "habitat", "growth"], 6, 6, 10, 1)),
        (["dataset=eurosat", "inner=cocoop"], (["habitat"], 6, 6, 10, 1)),
        (["dataset=dtd", "inner=cocoop"], (["pattern", "color", "design"], 2, 2, 10, 1)),
        (["dataset=oxford_pets", "inner=maple"], (["playfulness", "energy"], 2, 2, 5, 4)),
    ],
)
def test_the_recipe_is_the_papers(words, expected):
    arguments = settings_of(["learner=atprompt", "backbone=vit_b16", *words]).learner.arguments
    inner = arguments["inner"].arguments
    optim = inner["optim"].arguments
    found = (list(arguments["attributes"]), arguments["n_att"], inner["n_ctx"], optim["epochs"], optim["batch_size"])
    assert found == expected
    assert inner["ctx_init"] is None
    of_imagenet = {f"imagenet{part}": ["color", "shape"] for part in ("", "v2", "_sketch", "_a", "_r")}
    assert arguments["target_attributes"] == {
        **of_imagenet, "caltech101": ["shape", "size"], "oxford_pets": ["playfulness", "energy"],
        "stanford_cars": ["luxury"], "oxford_flowers": ["color", "habitat", "growth"],
        "food101": ["flavor", "preparation"], "fgvc_aircraft": ["design", "range"], "sun397": ["function"],
        "dtd": ["pattern", "color", "design"], "eurosat": ["habitat"], "ucf101": ["precision"],
        "else": ["color", "shape"],
    }  # fmt: skip


def test_dept_around_it_has_the_recipe_of_both():
    learner = settings_of(["learner=dept_atprompt", "dataset=dtd"]).learner
    assert learner.label == "dept-atprompt-coop"
    inner = learner.arguments["inner"].arguments
    optim = inner["inner"].arguments["optim"].make()
    assert (inner["n_att"], optim.batch_size, optim.epochs, optim.lr) == (4, 4, 10, 0.0035)
    assert (learner.arguments["weight"], learner.arguments["lr_factor"]) == (0.7, 6.5)
