"""A class that comes later: what learners make of it, what stays right, what is written."""

import json
from dataclasses import replace

import pytest
import torch

import promptlab
from promptlab.own.add_class import add_class
from promptlab.own.added import AddedError, read_added
from promptlab.own.picture_files import picture_files
from promptlab.saved.card import CARD_NAME, TrainingCard, read_card
from promptlab.saved.save import save_learner
from promptlab.support.errors import UsageError
from tests.helpers.own_pictures import write_adapted_folder, write_pictures


def unfitted_clap(clip, names, items, bank):
    return promptlab.CLAP(clip, names).eval()


def unit_rows(n, dim):
    rows = torch.randn(n, dim, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(rows, dim=-1)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    files = write_pictures(folder, 6, 4)
    return folder, files[:18], files[18].partition("/")[0]


@pytest.fixture(params=["tip", "clap"])
def adapted(request, tmp_path, pictures, clip, bank):
    folder, files, _ = pictures
    kind = {"clap": {"learner": unfitted_clap}}.get(request.param, {})
    return write_adapted_folder(tmp_path / "adapted", folder, files, clip, bank=bank, **kind)


def test_a_class_with_pictures(adapted, pictures, clip, bank):
    folder, _, name = pictures
    before = promptlab.load_learner(adapted, clip)
    grown, old = add_class(adapted, name, [folder / name], clip=clip, bank=bank)
    assert grown.learner.class_names == (*before.class_names, name)
    again = promptlab.load_learner(adapted, clip)
    features = torch.nn.functional.normalize(
        torch.randn(5, clip.dim, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    with torch.no_grad():
        torch.testing.assert_close(again(features), grown.learner(features))
        torch.testing.assert_close(again(features)[:, :-1], before(features))  # what was there scores as it did
        torch.testing.assert_close(promptlab.load_learner(old, clip)(features), before(features))
    found = grown.added.rescored
    assert found.own == 6
    assert found.own_right >= 3
    assert found.still_right >= 0.8 * found.right > 0
    assert read_added(adapted).classes == (grown.added,)


def test_pictures_of_another_class_are_said(adapted, pictures, clip, bank):
    folder, files, name = pictures
    other = files[0].partition("/")[0]
    grown, _ = add_class(adapted, name, [folder / name, folder / files[0]], clip=clip, bank=bank)
    file = (folder / files[0]).name
    assert grown.added.made.endswith(f"; 1 picture is another class's too, to the byte: {file} ({other})")


def test_pictures_help_over_the_name_alone(pictures, clip, bank):
    _, files, name = pictures
    items = promptlab.demo_dataset("demo_textures").test
    names = promptlab.demo_dataset("demo_textures").class_names
    of_class = bank.features(clip, items.of_classes([names.index(name)]))
    others = bank.features(clip, items.of_classes([names.index(file.partition("/")[0]) for file in files[::6]]))
    learner = promptlab.ZSLP(clip, sorted({file.partition("/")[0] for file in files})).eval()
    blank = "thing"  # a name that says nothing
    alone, _ = learner.with_class(blank, of_class[:0], others[:0])
    shown, made = learner.with_class(blank, of_class[:8], others[:40])

    def recall(grown):
        return (grown(of_class[8:]).argmax(1) == 3).float().mean()

    assert "x (mean of 8 pictures - mean of 40 others)" in made
    assert recall(shown) > recall(alone) + 0.2


def test_tip_adapter_s_cache_has_the_new_keys_and_scores_as_one_that_was_filled_so(clip):
    images = unit_rows(6, clip.dim)
    names, labels = ["red circle", "blue star", "green ring"], torch.tensor([0, 1, 0, 1, 2, 2])
    whole, part = (promptlab.TipAdapter(clip, names[:n], search=False) for n in (3, 2))
    for learner, rows in ((whole, 6), (part, 4)):
        learner.keys.data, learner.labels.data = images[:rows].clone(), labels[:rows].clone()
    grown, _ = part.with_class("green ring", images[4:], images[:4])
    torch.testing.assert_close(grown(images), whole(images))


def test_a_learner_that_reads_names_alone_says_so(tmp_path, pictures, clip, bank):
    folder, _, name = pictures
    promptlab.CoOp(clip, ["red circle", "blue star"], n_ctx=2).save_pretrained(tmp_path / "coop")
    grown, _ = add_class(tmp_path / "coop", name, [folder / name], to=tmp_path / "new", clip=clip, bank=bank)
    assert "by its name alone" in grown.added.made
    assert grown.added.rescored.pictures == "no scored pictures are at hand"
    assert promptlab.load_learner(tmp_path / "new", clip).class_names[-1] == name
    assert sorted(path.name for path in (tmp_path / "coop").iterdir()) == ["card.json", "learned.safetensors"]


def test_what_cannot_be_is_refused_and_nothing_changes(tmp_path, clip, bank):
    promptlab.CoOp(clip, ["red circle", "blue star"], n_ctx=2, csc=True).save_pretrained(tmp_path / "csc")
    promptlab.ZeroShot(clip, ["red circle"]).save_pretrained(tmp_path / "zero")
    before = (tmp_path / "zero/card.json").read_bytes()
    refused = [
        ((tmp_path / "csc", "ring"), "CoOp can't take a class without training"),
        ((tmp_path / "zero", "red circle"), "is a class of it already"),
        ((tmp_path / "zero", "Red_circle "), "is read as 'red circle', a class of it already"),
        ((tmp_path / "zero", "a\x1b[2J"), r"signs that can't be seen: a\\x1b\[2J"),
        ((tmp_path / "zero", " "), "name of the class is empty"),
        ((tmp_path / "zero", "ring", ["none.png"]), "no file or folder none.png"),
        ((tmp_path / "zero", "ring", [tmp_path / "csc"]), "holds no pictures"),
    ]
    for arguments, said in refused:
        with pytest.raises(UsageError, match=said):
            add_class(*arguments, clip=clip, bank=bank)
    with pytest.raises(UsageError, match="it is there already"):
        add_class(tmp_path / "zero", "ring", to=tmp_path / "csc", clip=clip, bank=bank)
    assert (tmp_path / "zero/card.json").read_bytes() == before
    assert not list((tmp_path / "zero").glob("before-*"))


def test_a_second_class_and_an_edited_record(tmp_path, clip, bank):
    promptlab.ZeroShot(clip, ["red circle"]).save_pretrained(tmp_path / "zero")
    for name in ("blue star", "green ring"):
        _, old = add_class(tmp_path / "zero", name, clip=clip, bank=bank)
    assert old.name == "before-2"
    assert [one.name for one in read_added(tmp_path / "zero").classes] == ["blue star", "green ring"]
    path = tmp_path / "zero/added.json"
    document = json.loads(path.read_text())
    document["classes"][0]["name"] = "cat"
    path.write_text(json.dumps(document))
    with pytest.raises(AddedError, match="edited by hand"):
        read_added(tmp_path / "zero")


@pytest.mark.parametrize("in_place", [True, False])
def test_its_card_says_how_it_was_trained_but_not_what_fewer_classes_scored(tmp_path, clip, bank, in_place):
    training = TrainingCard(dataset="mine", protocol="adapt", shots="3 to 5", seed=1, views=8, train_images=8,
                            fit_id="0" * 16, top1={"held_out": 0.5})  # fmt: skip
    learner = promptlab.ZeroShot(clip, ["red circle"])
    folder = save_learner(learner, tmp_path / "zero", training=training)
    new = folder if in_place else tmp_path / "new"
    add_class(folder, "blue star", to=None if in_place else new, clip=clip, bank=bank)
    assert read_card(new / CARD_NAME).training == replace(training, top1=None)


@pytest.mark.parametrize("in_place", [True, False])
def test_what_was_of_the_old_classes_alone_doesn_t_stay(tmp_path, clip, bank, in_place):
    folder = promptlab.ZeroShot(clip, ["red circle"]).save_pretrained(tmp_path / "zero")
    for name in ("model.onnx", "README.md", "notes.txt"):
        (folder / name).write_text(name)
    new = folder if in_place else tmp_path / "new"
    _, old = add_class(folder, "blue star", to=None if in_place else new, clip=clip, bank=bank)
    assert {path.name for path in new.glob("*.*")} == {"card.json", "learned.safetensors", "added.json", "notes.txt"}
    assert {"card.json", "model.onnx", "README.md"} <= {path.name for path in old.iterdir()}
    if in_place:  # what is kept can be gone back to: the second one's record is of the first alone
        _, second = add_class(folder, "green ring", clip=clip, bank=bank)
        assert [one.name for one in read_added(second).classes] == ["blue star"]
        assert [one.name for one in read_added(folder).classes] == ["blue star", "green ring"]


def test_pictures_of_an_added_class_are_scored_again_when_the_next_one_comes(adapted, pictures, clip, bank):
    folder, _, name = pictures
    first, _ = add_class(adapted, name, [folder / name], clip=clip, bank=bank)
    kept = first.added
    assert [len(row) for row in kept.logits] == [4] * 6
    taken = [max(range(4), key=row.__getitem__) == 3 for row in kept.logits]
    assert sum(taken) == kept.rescored.own_right > 0
    same, _ = add_class(adapted, f"{name} again", [folder / name], to=adapted.with_name("other"), clip=clip, bank=bank)
    found = same.added.rescored
    assert found.right == kept.rescored.still_right + kept.rescored.own_right
    assert found.still_right < found.right - 2  # a class of the very same pictures takes some of them
    assert f"those of {name}, added since, each without itself" in found.pictures
    (gone := folder / name / "0.png").rename(gone.with_suffix(".gone"))
    try:
        less, _ = add_class(adapted, "moon", to=adapted.with_name("less"), clip=clip, bank=bank)
    finally:
        gone.with_suffix(".gone").rename(gone)
    assert less.added.rescored.right == found.right - taken[0]  # what isn't there any more can't be scored


def test_a_picture_alone_is_scored_by_the_name(adapted, pictures, clip, bank):
    folder, _, name = pictures
    grown, _ = add_class(adapted, name, [folder / name / "1.png"], clip=clip, bank=bank)
    assert grown.added.rescored.own_how == "each scored without itself"
    learner = promptlab.load_learner(adapted / "before-1", clip)
    blind, _ = learner.with_class(name, torch.zeros(0, clip.dim), torch.zeros(0, clip.dim))
    expected = promptlab.predict(blind, [folder / name / "1.png"]).logits
    torch.testing.assert_close(torch.tensor(grown.added.logits), expected, atol=1e-4, rtol=1e-4)


def test_a_second_class_is_made_beside_the_pictures_of_the_first(adapted, pictures, clip, bank, monkeypatch):
    folder, files, name = pictures
    seen, kind = [], type(promptlab.load_learner(adapted, clip))
    made = kind.with_class

    def watched(self, name, images, others, template):
        seen.append(len(others))
        return made(self, name, images, others, template)

    monkeypatch.setattr(kind, "with_class", watched)
    add_class(adapted, name, [folder / name], clip=clip, bank=bank)
    add_class(adapted, "green moon", [], clip=clip, bank=bank)
    assert (seen[0], seen[-1]) == (len(files), len(files) + 6)


def test_pictures_of_a_folder_are_those_of_the_data_room(tmp_path, pictures):
    folder, _, name = pictures
    for inside in (".hidden", "__MACOSX", "more"):
        (tmp_path / inside).mkdir()
        (tmp_path / inside / "b.png").write_bytes((folder / name / "0.png").read_bytes())
    (tmp_path / "a.png").symlink_to(folder / name / "1.png")
    (tmp_path / "notes.txt").touch()
    assert picture_files([tmp_path, tmp_path / "a.png"]) == [tmp_path / "a.png", tmp_path / "more/b.png"]


def test_words_that_the_backbone_doesn_t_know_are_said_once(tmp_path, caplog):
    promptlab.ZeroShot(promptlab.load_clip("demo"), ["dog_house", "blue star"]).save_pretrained(tmp_path / "zero")
    caplog.clear()
    add_class(tmp_path / "zero", "crab")
    assert [line for line in caplog.messages if "never seen" in line] == [
        "the demo backbone has never seen these words: crab, dog, house"
    ]
