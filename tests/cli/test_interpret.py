"""P26: the closest words and their distances are those of CoOp's script, with the right backbone."""

import json
import subprocess
import sys

import pytest
import torch
from PIL import Image

import promptlab.cli.main as cli
from promptlab import CoCoOp, CoOp, ZeroShot, load_clip
from promptlab.cli.interpret import context_vectors
from promptlab.prompts.nearest import nearest_words
from tests.helpers.models import tiny_clip

NAMES = ("red striped star", "blue circle", "green dotted moon")


@pytest.fixture(scope="module")
def clip():
    return load_clip("demo")


def draw(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def shown(capsys, *arguments):
    status = cli.main(["interpret", *map(str, arguments)])
    captured = capsys.readouterr()
    assert status == 0, captured.err
    return captured.out


@pytest.mark.parametrize("count", [4, 70])
def test_euclidean_is_coops_script(count):
    """``interpret_prompt.py``: cdist, argsort, the first of each row."""
    clip, vectors = tiny_clip(), 0.5 * draw(count, 32)
    table = clip.model.token_embedding.weight
    distance = torch.cdist(vectors, table)
    ids = torch.argsort(distance, dim=1)[:, :5]
    found = nearest_words(clip, vectors, top=5)
    assert torch.equal(found.ids, ids)
    torch.testing.assert_close(found.distances, distance.gather(1, ids), atol=1e-4, rtol=0)
    decoder = clip.tokenizer.decoder
    ascii_only = [(w, decoder[i]) for row, own in zip(found.words, ids.tolist(), strict=True)
                  for w, i in zip(row, own, strict=True) if w.isascii()]  # fmt: skip
    assert len(ascii_only) > count
    assert all(word == token.removesuffix("</w>") for word, token in ascii_only)


def test_cosine_is_one_minus_the_similarity():
    clip, vectors = tiny_clip(), draw(3, 32)
    table = clip.model.token_embedding.weight
    similarity = torch.cosine_similarity(vectors[:, None], table[None], dim=-1)
    best = similarity.topk(4)
    found = nearest_words(clip, vectors, top=4, metric="cosine")
    assert torch.equal(found.ids, best.indices)
    torch.testing.assert_close(found.distances, 1 - best.values, atol=1e-5, rtol=0)


def test_words_are_closest_to_themselves(clip):
    found = nearest_words(clip, CoOp(clip, NAMES, ctx_init="a photo of a").ctx.detach(), top=1)
    assert found.words == [["a"], ["photo"], ["of"], ["a"]]
    assert not found.distances.any()


def test_the_demo_shows_words_that_it_was_trained_on(clip):
    found = nearest_words(clip, draw(50, clip.width), top=10)
    assert set(found.ids.flatten().tolist()) <= clip.tokenizer.trained_tokens
    assert len(clip.tokenizer.trained_tokens) < 1000


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((2, 64), {}, r"vectors have shape \(2, 64\); demo needs \(N, 128\)"),
        ((2, 3, 128), {}, r"needs \(N, 128\)"),
        ((2, 128), {"metric": "cosin"}, "metric='cosin': allowed are euclidean, cosine"),
        ((2, 128), {"top": 0}, "top=0: a number from 1 to"),
        ((2, 128), {"top": 40000}, "top=40000: a number from 1 to"),
    ],
)
def test_mistakes(clip, shape, options, message):
    with pytest.raises(ValueError, match=message):
        nearest_words(clip, draw(*shape), **options)


def test_context_vectors_are_those_called_ctx(clip):
    assert list(context_vectors(CoCoOp(clip, NAMES))) == ["ctx"]
    assert context_vectors(CoOp(clip, NAMES, n_ctx=2, csc=True))["ctx"].shape == (3, 2, 128)
    assert not context_vectors(ZeroShot(clip, NAMES))
    outer = CoOp(clip, NAMES, n_ctx=2)
    outer.inner = CoOp(clip, NAMES, n_ctx=3)
    assert list(context_vectors(outer)) == ["ctx", "inner.ctx"]


def test_a_folder_as_a_table_and_as_json(clip, tmp_path, capsys):
    CoOp(clip, NAMES, ctx_init="a photo of a").save_pretrained(tmp_path)
    table = shown(capsys, tmp_path, "--top", 2)
    assert "CoOp on demo, euclidean distance" in table
    assert "photo 0.0000" in table
    document = json.loads(shown(capsys, tmp_path, "--json", "--metric", "cosine", "--top", 3))
    assert (document["learner"], document["backbone"], document["metric"]) == ("CoOp", "demo", "cosine")
    (context,) = document["contexts"]
    assert context["of"] == "ctx"
    assert [vector[0]["word"] for vector in context["vectors"]] == ["a", "photo", "of", "a"]
    assert {len(vector) for vector in context["vectors"]} == {3}
    assert context["vectors"][1][0]["id"] == clip.encode_words("photo")[0]


def test_class_specific_contexts_are_shown_by_class(clip, tmp_path, capsys):
    CoOp(clip, NAMES, n_ctx=2, csc=True).save_pretrained(tmp_path)
    document = json.loads(shown(capsys, tmp_path, "--json"))
    assert [context["of"] for context in document["contexts"]] == [f"ctx of {name}" for name in NAMES]
    assert {len(context["vectors"]) for context in document["contexts"]} == {2}
    assert "ctx of blue circle" in shown(capsys, tmp_path)


class Generates(CoOp):
    """A learner that makes prompts, as SHIP does."""

    def generated_prompts(self, image_features):
        assert image_features.shape == (2, self.clip.dim)
        return self.ctx.detach() + 0 * image_features.sum() + torch.zeros(len(image_features), 1, 1)

    def prior_prompts(self, count, generator=None):
        return torch.randn(count, 3, self.clip.width, generator=generator)


def test_generated_contexts(clip, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("promptlab.saved.load.load_learner", lambda _: Generates(clip, NAMES, ctx_init="a photo"))
    files = [tmp_path / "one.png", tmp_path / "two.png"]
    for path in files:
        Image.new("RGB", (40, 40), "red").save(path)
    document = json.loads(shown(capsys, "x", "--json", "--images", *files))
    assert [context["of"] for context in document["contexts"]] == [str(path) for path in files]
    assert [vector[0]["word"] for vector in document["contexts"][1]["vectors"]] == ["a", "photo"]
    first, again, other = (shown(capsys, "x", "--json", "--noise", 3, "--seed", seed) for seed in (1, 1, 2))
    assert first == again != other
    assert [context["of"] for context in json.loads(first)["contexts"]] == ["noise 0", "noise 1", "noise 2"]


@pytest.mark.parametrize(
    ("learner", "arguments", "message", "expected"),
    [
        (ZeroShot, [], "ZeroShot has learned no context vectors", 1),
        (CoOp, ["--noise", "2"], "--noise is for learners that generate prompts, such as SHIP; CoOp doesn't", 1),
        (CoOp, ["--images", "x.png"], "--images is for learners that generate prompts", 1),
        (Generates, ["--noise", "0"], "--noise 0: at least 1 is needed", 2),
        (Generates, ["--images", "nowhere.png"], "nowhere.png", 1),
        (CoOp, ["--top", "0"], "top=0", 1),
    ],
)
def test_what_can_not_be_shown_is_said(clip, capsys, monkeypatch, learner, arguments, message, expected):
    monkeypatch.setattr("promptlab.saved.load.load_learner", lambda _: learner(clip, NAMES))
    assert cli.main(["interpret", "x", *arguments]) == expected
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_missing_folder_is_a_message(capsys, tmp_path):
    assert cli.main(["interpret", str(tmp_path / "nowhere")]) == 2
    assert "promptlab: there is no folder" in capsys.readouterr().err


def test_the_command_line_knows_the_verb(capsys):
    assert cli.main(["interpet"]) == 2
    assert "did you mean interpret?" in capsys.readouterr().err
    assert cli.main(["--help"]) == 0
    assert "promptlab interpret DIR" in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from promptlab.cli.main import main\ntry:\n  main(['interpret', '--help'])\n"
        "except SystemExit as end:\n  sys.exit(end.code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--metric" in done.stdout
