"""Damage to what a run left: it is noticed, named, never trained over, and never gives another number."""

import json
import os
import random
import shutil
from dataclasses import replace

import pytest

from promptlab.cli.main import main
from promptlab.results.ids import fit_id
from promptlab.results.store import load_results, read_result, write_result
from promptlab.saved.card import read_card

QUICK = (
    "dataset=demo_textures",
    "protocol=few_shot",
    "shots=1",
    "views=0",
    "learner.optim.epochs=1",
    "trainer.enable_progress_bar=false",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder that a run was started in, with its cache."""
    place = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("PROMPTLAB_CACHE", str(place / "cache"))
        assert main(list(QUICK)) == 0
    return place


@pytest.fixture
def folder(finished, tmp_path, monkeypatch):
    """The run's folder, in a copy to damage."""
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setenv("PROMPTLAB_CACHE", str(tmp_path / "copy" / "cache"))
    (result,) = (tmp_path / "copy").rglob("result.json")
    return result.parent


def flipped(path, seed=0, most=None):
    """Flip one bit of a file; the bytes before."""
    generator, data = random.Random(seed), bytearray(path.read_bytes())
    before = bytes(data)
    data[generator.randrange(most or len(data))] ^= 1 << generator.randrange(8)
    path.write_bytes(data)
    return before


def asides(folder, name):
    return list(folder.glob(f"{name}.damaged-*"))


def test_a_newer_result_is_refused_and_kept(folder, capsys):
    path = folder / "result.json"
    newer = path.read_text().replace('"schema_version": 2', '"schema_version": 3')
    path.write_text(newer)
    assert main(list(QUICK)) == 1
    said = capsys.readouterr().err
    assert "reads up to version 2, the file has 3" in said
    assert "update promptlab" in said
    assert path.read_text() == newer
    assert load_results("results") == []
    assert main(["verify"]) == 0
    assert "newer" in capsys.readouterr().out


def test_an_older_result_is_read(folder, capsys):
    path = folder / "result.json"
    expected = read_result(path)
    document = json.loads(path.read_text())
    del document["checksum"]
    path.write_text(json.dumps({**document, "schema_version": 1}))
    assert read_result(path) == expected
    assert main(list(QUICK)) == 0
    assert "finished already" in capsys.readouterr().out
    assert load_results("results") == [expected]


def test_a_damaged_result_is_named_and_computed_again_on_request(folder, capsys):
    path = folder / "result.json"
    top1 = read_result(path).evaluations["test"].metrics.top1
    damaged = path.read_text().replace(f'"top1": {top1}', '"top1": 0.99')
    path.write_text(damaged)
    assert main(list(QUICK)) == 1
    said = capsys.readouterr().err
    assert "result.json: its values are not those that were written" in said
    assert "force=true computes it again" in said
    assert path.read_text() == damaged
    assert main([*QUICK, "force=true"]) == 0
    assert read_result(path).evaluations["test"].metrics.top1 == top1
    (aside,) = asides(folder, "result.json")
    assert aside.read_text() == damaged


def test_flips_of_every_file_are_told_by_verify_or_change_nothing(folder, capsys):
    expected = read_result(folder / "result.json")
    for name in ("result.json", "card.json", "learned.safetensors", "predictions-test.safetensors"):
        for seed in range(12):
            before = flipped(folder / name, seed)
            status = main(["verify"])
            if status == 0 and name == "result.json":
                assert read_result(folder / name) == expected
            elif status == 0 and name == "card.json":
                read_card(folder / name)
            else:
                assert status == 1, (name, seed)
            (folder / name).write_bytes(before)
    capsys.readouterr()
    assert main(["verify", "results", "cache"]) == 0


@pytest.mark.parametrize("damage", ["deleted", "damaged"])
def test_a_card_is_written_again_and_nothing_is_trained(folder, capsys, damage, monkeypatch):
    path = folder / "card.json"
    whole = path.read_text()
    path.unlink() if damage == "deleted" else path.write_text(whole[:100])
    monkeypatch.setattr("promptlab.runs.fit.fit", lambda *_, **__: pytest.fail("it was trained again"))
    assert main(list(QUICK)) == 0
    assert "finished already" in capsys.readouterr().out
    assert path.read_text() == whole
    assert read_card(path).training.top1 == {
        "test": read_result(folder / "result.json").evaluations["test"].metrics.top1
    }


def test_damaged_tensors_of_a_finished_run_are_named(folder, capsys):
    before = flipped(folder / "learned.safetensors")
    assert main(list(QUICK)) == 1
    assert "learned.safetensors is damaged or belongs to another card" in capsys.readouterr().err
    assert main([*QUICK, "force=true"]) == 0
    assert (folder / "learned.safetensors").read_bytes() == before


def test_damaged_tensors_of_an_unfinished_run_are_put_aside_and_the_fit_starts_again(folder, caplog):
    expected = read_result(folder / "result.json")
    (folder / "result.json").rename(folder / "unfinished.json")
    before = flipped(folder / "learned.safetensors")
    assert main(list(QUICK)) == 0
    assert "the fit starts again" in caplog.text
    assert (folder / "learned.safetensors").read_bytes() == before
    assert len(asides(folder, "learned.safetensors")) == 1
    assert read_result(folder / "result.json").evaluations == expected.evaluations


def test_damaged_predictions_are_made_again(folder, caplog):
    path = folder / "predictions-test.safetensors"
    before = flipped(path)
    assert main(list(QUICK)) == 0
    assert "test is scored again" in caplog.text
    assert path.read_bytes() == before
    assert len(asides(folder, path.name)) == 1


def test_what_killed_writers_left_is_swept(folder):
    for name in (".result.json.00000000-1.abcdefgh.tmp", ".card.json.abcdefgh.tmp"):
        (folder / name).touch()
        os.utime(folder / name, (0, 0))
    assert main(list(QUICK)) == 0
    assert not list(folder.glob(".*.tmp"))


def test_damaged_zero_shot_scores_are_scored_again(folder, tmp_path, caplog):
    expected = read_result(folder / "result.json").evaluations
    (kept,) = (tmp_path / "copy" / "cache" / "zero_shot").glob("*.json")
    kept.write_text(kept.read_text().replace('"top1": 0.', '"top1": 0.1'))
    shutil.rmtree(folder)
    assert main(list(QUICK)) == 0
    assert "zero-shot CLIP is scored again" in caplog.text
    assert read_result(folder / "result.json").evaluations == expected


@pytest.mark.parametrize(("folder_name", "message"), [("nowhere", "there is no folder"), ("empty", "nothing of")])
def test_verify_says_what_it_needs(tmp_path, capsys, folder_name, message):
    (tmp_path / "empty").mkdir()
    assert main(["verify", str(tmp_path / folder_name)]) == 2
    assert message in capsys.readouterr().err


def test_verify_names_what_is_missing(folder, capsys):
    (folder / "predictions-test.safetensors").unlink()
    assert main(["verify"]) == 0
    assert "missing" in capsys.readouterr().out


def test_files_of_another_fit_are_named(folder, capsys):
    result, card = read_result(folder / "result.json"), read_card(folder / "card.json")
    card = replace(card, training=replace(card.training, fit_id="0" * 16))
    (folder / "card.json").write_text(card.to_json())
    assert main(list(QUICK)) == 1
    assert f"is of fit {'0' * 16}, and lies in the folder of another" in capsys.readouterr().err
    facts = replace(result.fit, seed=2)
    other = replace(result, fit=facts, seed=2, fit_id=fit_id(facts), evaluations={}, harmonic=None)
    write_result(folder, other)
    assert main(list(QUICK)) == 1
    assert f"is of fit {other.fit_id}, and lies in the folder of another" in capsys.readouterr().err
    assert read_result(folder / "result.json") == other


def test_what_a_result_could_not_hold_is_named_before_anything_is_done(folder, capsys):
    shutil.rmtree(folder)
    assert main([*QUICK, "ckpt_every_s=inf"]) != 0
    assert "ckpt_every_s" in capsys.readouterr().err
    assert not folder.exists()
