"""What is saved comes back and scores the same; what can't, or doesn't fit, is refused with the reason."""

import hashlib
import json
import logging
import sys
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save
from torch.nn import functional as F

import promptlab
from promptlab import load_clip, load_learner
from promptlab.clip.weights.load import portable as portable_source
from promptlab.config.choice import Choice
from promptlab.learners import CoCoOp, CoOp, PromptLearner, TipAdapter, ZeroShot
from promptlab.learners.base.optim import Optim
from promptlab.learners.base.short_fit import short_fit as train_a_little
from promptlab.learners.contract import LearnerContract
from promptlab.results.store import read_result
from promptlab.runs.run import run
from promptlab.saved.arguments import arguments_from_json, arguments_to_json
from promptlab.saved.card import CardError
from promptlab.support import files as atomic
from promptlab.support.checksums import sealed, unsealed
from tests.helpers.learners import LEARNERS
from tests.helpers.models import tiny_clip
from tests.helpers.settings import settings_of

NAMES = ("red striped star", "blue circle", "green dotted moon", "white cross", "pink arrow")
FILES = ["card.json", "learned.safetensors"]


@pytest.fixture(scope="module")
def clip():
    return load_clip("demo")


def images(clip):
    return F.normalize(torch.randn(3, clip.dim, generator=torch.Generator().manual_seed(0)), dim=-1)


def trained(learner):
    """The learner after something was learned."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return learner


def edit(folder, **changes):
    """Change fields of a card; a field that becomes ``...`` is taken out."""
    path = folder / "card.json"
    card = {**unsealed(json.loads(path.read_text())), **changes}
    path.write_text(json.dumps(sealed({key: value for key, value in card.items() if value is not ...})))


CASES = {
    "zero-shot": lambda clip: ZeroShot(clip, NAMES, template="a picture of a {}."),
    "zero-shot ensemble": lambda clip: ZeroShot(clip, NAMES, templates=["a {}.", "the {}"]),
    "coop": lambda clip: CoOp(clip, NAMES, n_ctx=3, optim=Optim(lr=0.1), generator=torch.Generator()),
    "coop middle": lambda clip: CoOp(clip, NAMES, ctx_init="a photo of a", class_token_position="middle"),
    "coop csc": lambda clip: CoOp(clip, NAMES, n_ctx=2, csc=True, class_token_position="front"),
    "coop csc selected": lambda clip: trained(CoOp(clip, NAMES, n_ctx=2, csc=True)).select([3, 0]),
    "coop rebound": lambda clip: CoOp(clip, NAMES, n_ctx=2).rebind(["yellow ring", "orange heart"]),
    "cocoop": lambda clip: CoCoOp(clip, NAMES),
    "cocoop selected": lambda clip: CoCoOp(clip, NAMES, n_ctx=2, ctx_init=None).select([4, 1, 2]),
    "zero-shot rebound": lambda clip: ZeroShot(clip, NAMES).rebind(["yellow ring", "orange heart"], "the {}."),
}


@pytest.mark.parametrize("case", CASES)
def test_round_trip(clip, tmp_path, case):
    learner = trained(CASES[case](clip))
    assert learner.save_pretrained(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == FILES
    again = load_learner(tmp_path / "a" / "b", clip)
    assert type(again) is type(learner)
    assert again.class_names == learner.class_names
    assert not again.training
    with torch.no_grad():
        torch.testing.assert_close(again(images(clip)), learner(images(clip)), atol=1e-4, rtol=0)
    for name, tensor in learner.learned_tensors().items():
        assert torch.equal(again.learned_tensors()[name], tensor)
    assert arguments_to_json(again) == arguments_to_json(learner)


CONTRACTS = [
    type(f"Contract{learner.__name__}", (LearnerContract,), {"learner": learner, "arguments": arguments})
    for learner, arguments in LEARNERS.values()
]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
def test_every_learner_comes_back(clip, tmp_path, contract):
    """Each after two steps of every stage, as its contract trains it."""
    learner, batch = contract().make(seed=1), contract().batch()
    train_a_little(learner, batch)
    learner.save_pretrained(tmp_path)
    again = load_learner(tmp_path, clip)
    assert type(again) is type(learner)
    with torch.no_grad():
        torch.testing.assert_close(again(batch.inputs), learner.eval()(batch.inputs), atol=1e-4, rtol=0)
    for name, tensor in learner.learned_tensors().items():
        assert torch.equal(again.learned_tensors()[name], tensor)


def test_the_backbone_is_loaded_by_name_if_none_is_given(tmp_path):
    learner = trained(CoOp(load_clip("demo", precision="bf16"), NAMES, n_ctx=2))
    learner.save_pretrained(tmp_path)
    again = load_learner(str(tmp_path))
    assert (again.clip.name, again.clip.precision) == ("demo", "bf16")
    assert promptlab.read_card(str(tmp_path / "card.json")) == promptlab.read_card(tmp_path / "card.json")
    assert again.clip.fingerprint == learner.clip.fingerprint
    assert torch.equal(again.ctx, learner.ctx)


@pytest.mark.parametrize(
    ("arguments", "portable"),
    [
        (("demo", None, None, None), True),
        (("ViT-B-32", "random", False, 3), True),
        (("ViT-B-32-quickgelu", "openai", None, None), True),
        (("hf-hub:organisation/model", None, True, None), True),
        (("ViT-B-32", "weights.pt", False, None), False),
        (("local-dir:folder", None, None, None), False),
    ],
)
def test_only_names_that_other_machines_know_are_written(arguments, portable):
    keys = ("name", "pretrained", "quick_gelu", "seed")
    assert portable_source(*arguments) == (dict(zip(keys, arguments, strict=True)) if portable else None)


def test_a_backbone_without_a_name_has_to_be_given(tmp_path):
    clip = tiny_clip()
    CoOp(clip, NAMES, n_ctx=2).save_pretrained(tmp_path)
    with pytest.raises(CardError, match=rf"tiny \(fingerprint {clip.fingerprint}, fp32\) can't be loaded by name"):
        load_learner(tmp_path)
    assert load_learner(tmp_path, clip).clip is clip


def test_another_backbone_is_refused(clip, tmp_path):
    CoOp(clip, NAMES, n_ctx=2).save_pretrained(tmp_path)
    other = tiny_clip()
    message = rf"on backbone demo \(fingerprint {clip.fingerprint}.*, not on tiny \(fingerprint {other.fingerprint}"
    with pytest.raises(CardError, match=message):
        load_learner(tmp_path, other)


class TestRuns:
    """A run's folder is a saved learner."""

    @pytest.fixture(autouse=True)
    def folders(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

    def config(self, *overrides):
        quick = ("shots=2", "views=0", "++learner.optim.epochs=2", "trainer.enable_progress_bar=false")
        return settings_of([*quick, *overrides])

    @pytest.mark.parametrize("learner", ["coop", "cocoop"])
    def test_its_folder_loads(self, learner):
        outcome = run(self.config(f"learner={learner}"))
        loaded = load_learner(outcome.folder)
        assert loaded.class_names == outcome.result.fit.class_names
        assert torch.equal(loaded.ctx, load_file(outcome.folder / "learned.safetensors")["ctx"])
        card = json.loads((outcome.folder / "card.json").read_text())
        assert card["result"] == "result.json"
        result = outcome.result
        expected = {"dataset": "demo_shapes", "protocol": "base_to_new", "shots": 2, "seed": 1, "views": 0}
        expected |= {"train_images": result.train_images, "fit_id": result.fit_id}
        expected |= {"top1": {name: of.metrics.top1 for name, of in result.evaluations.items()}}
        expected |= {"harmonic": result.harmonic.learner}
        assert card["training"] == expected

    def test_a_ships_folder_loads_with_its_inner_learner(self):
        quick = ("shots=2", "views=0", "learner.generator_optim.epochs=1", "inner.search=false")
        outcome = run(settings_of(["learner=ship", "inner=tip_adapter", *quick]))
        loaded = load_learner(outcome.folder)
        assert isinstance(loaded.inner, TipAdapter)
        assert torch.equal(loaded.inner.keys, load_file(outcome.folder / "learned.safetensors")["inner.keys"])

    def test_it_scores_as_the_result_says(self):
        outcome = run(self.config("protocol=few_shot"))
        test = promptlab.demo_dataset("demo_shapes").test
        scored = promptlab.evaluate(load_learner(outcome.folder), test).top1
        assert scored == pytest.approx(outcome.result.evaluations["test"].metrics.top1)

    def test_a_saved_learner_keeps_the_result(self, tmp_path):
        outcome = run(self.config())
        learner = load_learner(outcome.folder)
        learner.save_pretrained(tmp_path / "saved", result=outcome.result)
        assert read_result(tmp_path / "saved" / "result.json").to_json() == outcome.result.to_json()
        card = json.loads((tmp_path / "saved" / "card.json").read_text())
        assert card["training"]["top1"] == {name: of.metrics.top1 for name, of in outcome.result.evaluations.items()}
        assert card["training"]["harmonic"] == outcome.result.harmonic.learner
        other = CoOp(tiny_clip(), NAMES, n_ctx=2)
        with pytest.raises(CardError, match="the result is of backbone demo"):
            other.save_pretrained(tmp_path / "other", result=outcome.result)
        assert not (tmp_path / "other").exists()

    def test_what_no_card_can_hold_is_kept_as_tensors(self, caplog):
        """A plug-in's own settings don't cost its run the training."""
        settings = replace(self.config(), learner=Choice(WithCallable, name="mine"))
        with caplog.at_level(logging.WARNING):
            outcome = run(settings)
        assert "argument generator: " in caplog.text
        assert (outcome.folder / "learned.safetensors").exists()
        assert not (outcome.folder / "card.json").exists()
        with pytest.raises(CardError, match=r"has no card\.json"):
            load_learner(outcome.folder)


class WithCallable(CoOp):
    """A learner with an argument that can't be written."""

    def __init__(self, clip, class_names, *, generator=None):
        super().__init__(clip, class_names, n_ctx=2, optim=Optim(epochs=1), generator=generator)
        self.arguments = {"generator": abs}


def test_foreign_classes_are_given_by_the_caller(clip, tmp_path, monkeypatch):
    learner = trained(Passing(clip, NAMES, n_ctx=2, csc=True))
    learner.save_pretrained(tmp_path)
    with pytest.raises(CardError, match=r"Passing was saved, and classes of others aren't imported: give learner="):
        load_learner(tmp_path, clip)
    assert torch.equal(load_learner(tmp_path, clip, learner=Passing).ctx, learner.ctx)
    with pytest.raises(CardError, match=r"Passing was saved, but learner=promptlab\.learners\.CoOp was given"):
        load_learner(tmp_path, clip, learner=CoOp)


class Passing(CoOp):
    """A user's learner that hands its arguments on."""

    def __init__(self, clip, class_names, **settings):
        super().__init__(clip, class_names, **settings)


@dataclass
class Settings:
    """Not promptlab's."""

    a: int = 1


class Wrapper(CoOp):
    """A learner with an inner one, as SHIP has it."""

    def __init__(self, clip, class_names, *, inner=None, has_images=None, scales=(1.0,), notes=None):
        super().__init__(clip, class_names, n_ctx=2)
        if has_images is not None and len(has_images) != len(class_names):
            raise ValueError(f"has_images has {len(has_images)} entries for {len(class_names)} classes")


def test_arguments_come_back(clip):
    inner = partial(CoOp, n_ctx=4, optim=Optim(epochs=3), generator=torch.Generator())
    values = {"inner": inner, "has_images": [True] * 4 + [False], "scales": (7, 3.5), "notes": {"a": [None, "b"]}}
    written = json.loads(json.dumps(arguments_to_json(Wrapper(clip, NAMES, **values))))
    read = arguments_from_json(written)
    assert (read["inner"].func, read["inner"].args) == (CoOp, ())
    assert read["inner"].keywords == {"n_ctx": 4, "optim": Optim(epochs=3)}
    assert (read["has_images"], read["scales"], read["notes"]) == ([True] * 4 + [False], [7, 3.5], {"a": [None, "b"]})
    (bare,) = arguments_from_json(arguments_to_json(Wrapper(clip, NAMES, inner=ZeroShot))).values()
    assert isinstance(bare(clip, NAMES), ZeroShot)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda clip, names: CoOp(clip, names), "argument inner: a function can't be written"),
        (partial(CoOp, n_ctx=torch.ones(1)), r"argument inner\.n_ctx: a Tensor can't be written"),
        (partial(CoOp, NAMES), "argument inner: a partial can't be written"),
        (partial(Passing, n_ctx=2), r"argument inner: .*Passing is no class of promptlab"),
        (Settings(), r"argument inner: .*Settings is no class of promptlab"),
        ([{"_target_": "os.system"}], r"argument inner\[0\]: a mapping with the key _target_"),
        (float("nan"), "argument inner: nan is not a finite number"),
    ],
)
def test_arguments_that_a_card_can_not_hold(clip, tmp_path, value, message):
    with pytest.raises(CardError, match=f"Wrapper can't be saved: {message}"):
        Wrapper(clip, NAMES, inner=value).save_pretrained(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_learner_that_can_not_come_back_is_refused(clip, tmp_path):
    learner = Wrapper(clip, NAMES, has_images=[True] * 5)
    learner.save_pretrained(tmp_path / "whole")
    with pytest.raises(CardError, match=r"these 2 classes can't be brought back \(has_images has 5.*before select"):
        learner.select([0, 1]).save_pretrained(tmp_path / "part")
    learner.scale = 2
    learner.forward = lambda inputs: 2 * CoOp.forward(learner, inputs)
    with pytest.raises(CardError, match="would score otherwise when brought back"):
        learner.save_pretrained(tmp_path / "part")
    assert not (tmp_path / "part").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 3}, r"reads cards of formats 1 to 2, this one has format 3, written by promptlab"),
        ({"format": True}, "has format True"),
        ({"learner": ...}, "is no card of promptlab"),
        ({"class_names": ...}, "class_names: missing"),
        ({"class_names": 5}, "class_names: expected a list, got 5"),
        ({"surplus": 5}, "surplus: unknown field"),
        ({"learner_version": 9}, "saved by version 9 of CoOp, this promptlab .* has version 1"),
        ({"learner": "promptlab.learners.Coop"}, r"has no class 'promptlab\.learners\.Coop'"),
        ({"learner": "promptlab.training.Optim"}, "Optim is no learner"),
        ({"learner": "promptlab.clip.FrozenCLIP"}, "is no class of promptlab, and others are not imported"),
        ({"arguments": {"ctx_init": 7}}, r"CoOp\(ctx_init=7\): words to start from"),
        ({"arguments": {"n_ctx": 10**13}}, "n_ctx|memory|alloc"),
        ({"class_names": ["red star"]}, r"ctx has shape \(5, 2, 128\), expected \(1, 2, 128\)"),
        ({"arguments": {"n_ctx": 3, "csc": True}}, r"expected \(5, 3, 128\)"),
        ({"arguments": {"n_ctxx": 3}}, "n_ctxx"),
        ({"arguments": {"clip": 3}}, "clip"),
        (
            {"arguments": {"optim": {"_target_": "promptlab.training.Optim", "lr": -1}}},
            r"argument optim: Optim\(lr=-1\)",
        ),
        ({"arguments": {"optim": {"_target_": "promptlab.learners.CoOp"}}}, "neither a learner nor settings"),
        (
            {"arguments": {"inner": {"_target_": "promptlab.learners.CoOp", "_partial_": True, "_version_": 7}}},
            "argument inner: it was saved by version 7 of CoOp",
        ),
        ({"learned_sha256": "0" * 64}, r"learned\.safetensors is damaged or belongs to another card"),
    ],
)
def test_cards_that_do_not_fit(clip, tmp_path, changes, message):
    CoOp(clip, NAMES, n_ctx=2, csc=True).save_pretrained(tmp_path)
    edit(tmp_path, **changes)
    with pytest.raises(CardError, match=message):
        load_learner(tmp_path, clip)


@pytest.mark.parametrize(
    "path",
    [
        "evil_module.Learner",
        "promptlab.evil_module.Learner",
        "promptlabs.Learner",
        "promptlab.saved.card.json.JSONDecoder",
        "promptlab.support.files.os.system",
        "promptlab.support.files.BinaryIO",
        "promptlab.__main__.Learner",
        "promptlab..Learner",
        "os.system",
    ],
)
@pytest.mark.parametrize("place", ["learner", "argument"])
def test_nothing_of_others_is_imported_or_called(clip, tmp_path, monkeypatch, path, place):
    (tmp_path / "evil_module.py").write_text("raise SystemExit('evil_module was imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("os.system", lambda *_: pytest.fail("os.system was called"))
    CoOp(clip, NAMES, n_ctx=2).save_pretrained(tmp_path)
    node = {"_target_": path, "command": "true"}
    edit(tmp_path, **({"learner": path} if place == "learner" else {"arguments": {"optim": node}}))
    before = set(sys.modules)
    with pytest.raises(CardError, match=r"imported|has no class|no learner"):
        load_learner(tmp_path, clip)
    assert not {name for name in set(sys.modules) - before if "evil" in name or "__main__" in name}


def test_damaged_files(clip, tmp_path):
    CoOp(clip, NAMES, n_ctx=2).save_pretrained(tmp_path)
    learned, card = (tmp_path / "learned.safetensors"), (tmp_path / "card.json")
    whole = learned.read_bytes()
    learned.write_bytes(whole[:-1])
    with pytest.raises(CardError, match="is damaged or belongs to another card"):
        load_learner(tmp_path, clip)
    learned.unlink()
    with pytest.raises(CardError, match=r"has no learned\.safetensors"):
        load_learner(tmp_path, clip)
    learned.write_bytes(whole)
    for text in ('{"format": 1,', "\udcff", "[]"):
        card.write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(CardError, match=r"can't be read as JSON|is no card of promptlab"):
            load_learner(tmp_path, clip)


@pytest.mark.parametrize(("change", "message"), [({}, "ctx is missing"), ({"ctx": 1, "more": 1}, "more is unknown")])
def test_tensors_that_do_not_fit(clip, tmp_path, change, message):
    CoOp(clip, NAMES, n_ctx=2).save_pretrained(tmp_path)
    data = save({name: torch.zeros(2, 128) for name in change})
    (tmp_path / "learned.safetensors").write_bytes(data)
    edit(tmp_path, learned_sha256=hashlib.sha256(data).hexdigest())
    with pytest.raises(CardError, match=message):
        load_learner(tmp_path, clip)


def rewrite(folder, **tensors):
    """Other tensors in a saved folder, with the card's hash to match."""
    data = save({**load_file(folder / "learned.safetensors"), **tensors})
    (folder / "learned.safetensors").write_bytes(data)
    edit(folder, learned_sha256=hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"ctx": torch.full((2, 128), float("nan"))}, "ctx holds NaN or infinities"),
        ({"ctx": torch.zeros(2, 128, dtype=torch.int64)}, r"ctx holds torch.int64, expected torch.float32"),
    ],
)
def test_tensors_that_are_no_learned_numbers(clip, tmp_path, tensors, message):
    CoOp(clip, NAMES, n_ctx=2).save_pretrained(tmp_path)
    rewrite(tmp_path, **tensors)
    with pytest.raises(CardError, match=message):
        load_learner(tmp_path, clip)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"labels": torch.zeros(3, dtype=torch.int64)}, "equal rows, these have 10 and 3"),
        ({"labels": torch.full((10,), 9)}, "labels should be 0 to 4"),
        ({"labels": torch.full((10,), -1)}, "labels should be 0 to 4"),
    ],
)
def test_a_cache_whose_parts_do_not_fit_each_other(clip, tmp_path, tensors, message):
    learner = TipAdapter(clip, NAMES, search=False)
    learner.keys.data, learner.labels.data = torch.randn(10, clip.dim), torch.arange(10) % 5
    learner.save_pretrained(tmp_path)
    rewrite(tmp_path, **tensors)
    with pytest.raises(CardError, match=message):
        load_learner(tmp_path, clip)


def test_what_is_refused_changes_nothing(clip):
    learner = TipAdapter(clip, NAMES, search=False)
    tensors = {"keys": torch.randn(10, clip.dim), "labels": torch.arange(10) % 5, "alpha": torch.tensor(1.0)}
    with pytest.raises(ValueError, match="beta is missing"):
        learner.load_learned(tensors)
    assert (len(learner.keys), len(learner.labels)) == (0, 0)


@pytest.mark.parametrize(
    "source", [{"name": "local-dir:/tmp/evil"}, {"name": "ViT-B-32", "pretrained": "/etc/passwd", "quick_gelu": False}]
)
def test_a_card_can_not_have_files_of_this_machine_opened(clip, tmp_path, monkeypatch, source):
    monkeypatch.setattr("promptlab.saved.load.load_clip", lambda **_: pytest.fail("it was opened"))
    CoOp(clip, NAMES, n_ctx=2).save_pretrained(tmp_path)
    backbone = json.loads((tmp_path / "card.json").read_text())["backbone"]
    edit(tmp_path, backbone={**backbone, "source": {"quick_gelu": None, "pretrained": None, "seed": None, **source}})
    with pytest.raises(CardError, match="isn't opened"):
        load_learner(tmp_path)


def test_a_card_nested_without_end(clip, tmp_path):
    CoOp(clip, NAMES, n_ctx=2).save_pretrained(tmp_path)
    (tmp_path / "card.json").write_text('{"format": 1, "arguments": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(CardError, match="can't be read as JSON"):
        load_learner(tmp_path, clip)


def test_a_failing_write_leaves_the_old_files(clip, tmp_path, monkeypatch):
    CoOp(clip, NAMES, n_ctx=2).save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    real = atomic.tempfile.mkstemp

    def full_disk(*args, prefix, **kwargs):
        if prefix.startswith(".card"):
            raise OSError(28, "No space left on device")
        return real(*args, prefix=prefix, **kwargs)

    monkeypatch.setattr(atomic.tempfile, "mkstemp", full_disk)
    with pytest.raises(OSError, match="No space left"):
        trained(CoOp(clip, NAMES, n_ctx=3)).save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_hub(clip, tmp_path, monkeypatch):
    learner = trained(CoOp(clip, NAMES, n_ctx=2))
    learner.save_pretrained(tmp_path / "snapshot")
    asked = {}

    def snapshot_download(repo, allow_patterns, revision=None):
        asked.update(repo=repo, allow_patterns=allow_patterns)
        return str(tmp_path / "snapshot")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert torch.equal(load_learner("somebody/coop-demo", clip).ctx, learner.ctx)
    assert asked == {"repo": "somebody/coop-demo", "allow_patterns": [*FILES, "result.json"]}

    def offline(repo, allow_patterns, revision=None):
        raise ConnectionError("no route\npages of details")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(FileNotFoundError, match=r"could not be fetched .*\(ConnectionError: no route\)\. Check"):
        load_learner("somebody/coop-demo", clip)
    with pytest.raises(FileNotFoundError, match="it can't be an id on the hub"):
        load_learner(tmp_path / "nowhere", clip)
    (tmp_path / "model.onnx").touch()
    with pytest.raises(
        FileNotFoundError, match=r"model\.onnx is a file: the folder that save_pretrained, adapt or a run"
    ):
        load_learner(str(tmp_path / "model.onnx"), clip)


def test_promptlab_offers_it():
    assert promptlab.load_learner is load_learner
    assert PromptLearner.save_pretrained.__doc__


def test_a_device_is_the_backbones(clip, tmp_path):
    saved = CoOp(clip, NAMES, n_ctx=2).save_pretrained(tmp_path / "saved")
    assert load_learner(saved, device="cpu").ctx.device.type == "cpu"
    with pytest.raises(ValueError, match=r"device=cuda: the learner is where its backbone is, and clip is on cpu"):
        load_learner(saved, clip, device="cuda")
    with pytest.raises(ValueError, match="device"):
        load_learner(saved, device="nowhere")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_named(clip, tmp_path):
    with pytest.raises(ValueError, match="cuda"):
        load_learner(CoOp(clip, NAMES, n_ctx=2).save_pretrained(tmp_path / "saved"), device="cuda")
