"""``promptlab predict``, as a user types it: files, folders, patterns, lists, videos, and what is none of these."""

import csv
import io
import json
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

import promptlab
from promptlab.cli.main import main
from promptlab.results.logits import logits_of_arrays, write_logits
from promptlab.support import machine
from tests.helpers.drawn import pictures


@pytest.fixture(scope="module")
def place(tmp_path_factory, clip):
    """A folder with pictures, and a learner that knows their classes."""
    folder = tmp_path_factory.mktemp("predict")
    names = pictures(folder / "pics", 4, 3)
    promptlab.ZeroShot(clip, names).save_pretrained(folder / "mine")
    promptlab.LinearProbe(clip, names).save_pretrained(folder / "probe")
    return folder


@pytest.fixture(scope="module")
def clip():
    return promptlab.load_clip("demo")


@pytest.fixture
def here(place, clip, monkeypatch):
    """Inside the folder; the backbone is loaded once for all calls."""
    monkeypatch.chdir(place)
    monkeypatch.setattr("promptlab.saved.load.load_clip", lambda **_: clip)
    return place


@pytest.fixture
def predict(here, capsys):
    """Call it; gives the status, standard output and the error stream's words."""

    def call(*arguments):
        status = main(["predict", *map(str, arguments)])
        out, err = capsys.readouterr()
        return status, out, " ".join(err.split())

    return call


def documents(out):
    return json.loads(out)


def test_a_folder_gives_what_python_gives(predict, here):
    status, out, _ = predict("mine", "pics", "--json", "--top", 2)
    rows = documents(out)
    paths = sorted(str(path.relative_to(here)) for path in (here / "pics").rglob("*.png"))
    expected = promptlab.predict(promptlab.load_learner("mine"), paths)
    assert status == 0
    assert [row["picture"] for row in rows] == paths
    assert [row["name"] for row in rows] == list(expected.names)
    np.testing.assert_allclose([row["probability"] for row in rows], expected.amax(1), atol=1e-6)
    assert [[best["name"] for best in row["top"]] for row in rows] == [[n for n, _ in row] for row in expected.top(2)]
    assert {row["error"] for row in rows} == {None}


def test_every_form_says_the_same(predict, here, tmp_path):
    _, out, _ = predict("mine", "pics/*/000.png", "gone.png", "--json", "--top", 2, "--threshold", 0.9)
    rows = documents(out)
    cells = [
        [row["picture"], row["name"] or "", *(value for best in row["top"] for value in best.values()), row["error"]]
        for row in rows
    ]
    options = ["mine", "pics/*/000.png", "gone.png", "--top", 2, "--threshold", 0.9]
    status, out, said = predict(*options, "--format", "csv")
    assert (status, said) == (1, "1 picture can't be read")
    read = list(csv.DictReader(io.StringIO(out)))
    assert [row["error"] or None for row in read] == [row[-1] for row in cells]
    for row, json_row in zip(read[:-1], rows[:-1], strict=True):
        assert (row["picture"], row["name"] or None) == (json_row["picture"], json_row["name"])
        assert [row["name_2"], float(row["probability_2"])] == list(json_row["top"][1].values())
    _, out, _ = predict(*options, "--format", "jsonl")
    assert [json.loads(line) for line in out.splitlines()] == rows
    for suffix in ("csv", "jsonl", "json", "parquet"):
        status, out, _ = predict(*options, "--out", tmp_path / f"found.{suffix}")
        assert status == 1
        assert out.startswith(f"wrote {tmp_path / f'found.{suffix}'}: 5 pictures: ")
    assert json.loads((tmp_path / "found.json").read_text()) == rows
    assert list(csv.DictReader((tmp_path / "found.csv").open())) == read
    table = parquet.read_table(tmp_path / "found.parquet").to_pylist()
    assert [row["name"] for row in table] == [row["name"] for row in rows]
    assert table[0]["probability_2"] == pytest.approx(rows[0]["top"][1]["probability"], abs=1e-6)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_cells_hold_the_best_class_once_but_where_the_answer_may_be_none(predict):
    def columns(*more):
        _, out, _ = predict("mine", "pics/green heart/000.png", "--top", 3, "--format", "csv", *more)
        return list(csv.DictReader(io.StringIO(out)))

    (row,) = columns()
    ranked = ["name_2", "probability_2", "name_3", "probability_3"]
    assert list(row) == ["picture", "name", "probability", *ranked, "error"]
    (declined,) = columns("--threshold", 1)
    assert (declined["name"], declined["name_1"]) == ("", row["name"])
    assert declined.keys() - row.keys() == {"name_1"}


def test_the_table(predict):
    status, out, said = predict("mine", "pics/green heart", "pics/gone.png")
    lines = out.splitlines()
    assert status == 1
    assert lines[0].startswith("green heart")
    assert lines[0].endswith("pics/green heart/000.png")
    assert lines[-1].split("  ")[0] == "can't be read"
    assert lines[-1].endswith("pics/gone.png: missing")
    assert said == "1 picture can't be read"
    _, out, _ = predict("mine", "pics/green heart/000.png", "--threshold", 1, "--top", 2)
    assert out.startswith("none of these:")


def test_a_list_on_standard_input(predict, monkeypatch):
    def given(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    names = [f"pics/green heart/00{place}.png" for place in range(3)]
    for separator in ("\n", "\r\n", "\0"):
        given(separator.join([*names, ""]).encode())
        status, out, _ = predict("mine", "-", "--json", "--batch-size", 2)
        assert (status, [row["picture"] for row in documents(out)]) == (0, names)
    given(b"")
    assert documents(predict("mine", "-", "--json")[1]) == []


def test_names_that_look_like_patterns_are_names_first(predict, here):
    Image.new("RGB", (9, 9)).save(here / "a[0].png")
    status, out, _ = predict("mine", "a[0].png", "--json")
    assert (status, documents(out)[0]["picture"]) == (0, "a[0].png")


def test_classes_are_chosen_from_known_ones_or_named_anew(predict):
    _, out, _ = predict("mine", "pics/green heart/000.png", "--json", "--top", 9, "--classes", "red ring, green heart")
    assert {best["name"] for best in documents(out)[0]["top"]} == {"red ring", "green heart"}
    _, out, _ = predict("probe", "pics/green heart/000.png", "--json", "--top", 9, "--classes", "green heart")
    assert documents(out)[0]["top"] == [{"name": "green heart", "probability": 1.0}]
    status, _, said = predict("probe", "pics", "--classes", "green hart")
    assert status == 2
    assert "'green hart' is no class of this learner, did you mean green heart?" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine", "nothing*.jpg"], "no file fits the pattern nothing*.jpg"),
        (["mine", "empty"], "empty holds no pictures"),
        (["mine", "pics", "--out", "a.txt"], "names of files end in .csv, .json, .jsonl, .parquet"),
        (["mine", "pics", "--out", "a.csv", "--json"], "leave out --format and --json"),
        (["mine", "pics", "--json", "--format", "csv"], "--json is --format json"),
        (["mine", "pics", "--top", "0"], "top=0"),
        (["mine", "pics", "--threshold", "1.5"], "threshold=1.5"),
        (["mine", "pics", "--class-sets", "1.5"], "--class-sets 1.5: a share above 0 and below 1 is needed"),
        (["mine", "pics", "--sets", "0.9"], "there is no mine/logits-held_out.safetensors"),
        (["mine", "pics", "--coverage", "0.9"], "--coverage needs the scores of held-out pictures"),
    ],
)
def test_what_can_not_be_understood(predict, here, arguments, message):
    (here / "empty").mkdir(exist_ok=True)
    status, out, said = predict(*arguments)
    assert (status, out) == (2, "")
    assert message in said


@pytest.fixture
def held_out(here):
    """Scores of twelve held-out pictures beside the learner; the answer is their largest probabilities."""
    learner = promptlab.load_learner("mine")
    paths = [f"pics/{name}/{number:03d}.png" for name in learner.class_names for number in range(3)]
    predicted = promptlab.predict(learner, paths)
    ids = [f"{number:032x}" for number in range(12)]
    labels = np.repeat(np.arange(4), 3)
    write_logits("mine", logits_of_arrays(predicted.logits, labels, learner.class_names, ids, "held_out", "0" * 16))
    yield predicted.probabilities.amax(1)
    (here / "mine" / "logits-held_out.safetensors").unlink()


@pytest.mark.usefixtures("held_out")
def test_sets_hold_what_the_held_out_pictures_say(predict):
    _, out, _ = predict("mine", "pics", "--json", "--sets", 0.9)
    rows = documents(out)
    right = [row["picture"].split("/")[1] in row["set"] for row in rows]
    assert sum(right) >= 11
    _, out, _ = predict("mine", "pics", "--json", "--sets", 0.99)  # 12 pictures can't promise that
    assert all(len(row["set"]) == 4 for row in documents(out))
    _, out, said = predict("mine", "pics", "--json", "--class-sets", 0.75)  # three of each class: the least counts
    right = [row["picture"].split("/")[1] in row["set"] for row in documents(out)]
    assert sum(right) >= 8  # scores are kept to 16 bits, which may be above each class's least
    assert said.startswith("sets of ")
    _, out, said = predict("mine", "pics", "--json", "--class-sets", 0.9)
    assert all(len(row["set"]) == 4 for row in documents(out))
    assert said.endswith(": 0.9 needs 9 held-out pictures of a class")
    assert predict("mine", "pics", "--sets", 0.9, "--classes", "green heart")[0] == 2


def test_a_threshold_answers_the_share_that_was_asked_for(predict, held_out):
    status, out, said = predict("mine", "pics", "--json", "--coverage", 0.75)
    answered = [row["name"] is not None for row in documents(out)]  # the very pictures that were held out
    assert status == 0
    assert sum(answered) in (8, 9)  # scores are kept to 16 bits, which may be above the one at the threshold
    assert float(said.split()[1].rstrip(":")) == pytest.approx(float(held_out.sort().values[3]), abs=1e-3)
    assert ": 75% of 12 held-out pictures get a name, " in said
    for arguments, why in (
        (["--coverage", 0.75, "--classes", "green heart"], "leave out --classes"),
        (["--coverage", 1.5], "coverage=1.5"),
        (["--false-alarms", 0.1], "promptlab adapt --negatives FOLDER has them"),
    ):
        status, out, said = predict("mine", "pics", *arguments)
        assert (status, out) == (2, "")
        assert why in said


def bomb(path):
    """A few bytes that ask for 3.6 thousand million pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 60_001)))


HOSTILE = {
    "one.png": lambda path: Image.new("RGB", (1, 1), "red").save(path),
    "cmyk.jpg": lambda path: Image.new("CMYK", (40, 30), (0, 200, 200, 0)).save(path),
    "grey16.png": lambda path: Image.fromarray(np.full((20, 20), 60_000, np.uint16)).save(path),
    "animated.gif": lambda path: Image.new("P", (20, 20), 1).save(
        path, save_all=True, append_images=[Image.new("P", (20, 20), 2)]
    ),
    "animated.webp": lambda path: Image.new("RGB", (20, 20)).save(
        path, save_all=True, append_images=[Image.new("RGB", (20, 20), "red")]
    ),
    "palette.png": lambda path: Image.new("P", (20, 20)).save(path, transparency=bytes([0, 9])),
    "long.png": lambda path: Image.new("L", (20_000, 3)).save(path),
    "bomb.png": bomb,
    "cut.jpg": lambda path: path.write_bytes(jpeg()[:700]),
    "empty.jpg": lambda path: path.write_bytes(b""),
    "page.png": lambda path: path.write_text("<html>not found</html>"),
    "pointer.jpg": lambda path: path.write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"
    ),
}
UNREADABLE = {
    "long.png": "one side more than 1,000 times the other",
    "bomb.png": "pixels",
    "cut.jpg": "truncated",
    "empty.jpg": "the file is empty",
    "page.png": "cannot identify a picture in it",
    "pointer.jpg": "LFS",
}


def jpeg():
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


def test_hostile_pictures_are_right_or_rows_with_a_reason(predict, tmp_path):
    for name, write in HOSTILE.items():
        write(tmp_path / name)
    status, out, said = predict("mine", tmp_path, "--json", "--batch-size", 3)
    rows = {row["picture"].rpartition("/")[2]: row for row in documents(out)}
    assert (status, set(rows)) == (1, set(HOSTILE))
    assert f"{len(UNREADABLE)} pictures can't be read" in said
    for name, row in rows.items():
        assert (row["error"] is not None) == (name in UNREADABLE), row
        assert UNREADABLE.get(name, "") in (row["error"] or ""), row
        assert (row["name"] is None) == (name in UNREADABLE)


def test_turned_pictures_are_turned_where_it_is_asked(predict, here, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    source = Image.open(here / "pics" / "green heart" / "000.png")
    source.rotate(180).save(tmp_path / "turned.png", exif=exif)
    source.save(tmp_path / "upright.png")
    _, out, _ = predict("mine", tmp_path, "--json", "--exif")
    turned, upright = documents(out)
    assert turned["probability"] == pytest.approx(upright["probability"], abs=1e-5)
    assert documents(predict("mine", tmp_path, "--json")[1])[0]["probability"] != turned["probability"]


def test_nothing_in_a_name_moves_the_cursor(predict, tmp_path):
    (tmp_path / "a\x1b[2Jb\n.png").write_bytes(b"")
    _, out, _ = predict("mine", tmp_path)
    assert "\x1b" not in out
    assert out.count("\n") == 1
    assert r"a\x1b[2Jb\n.png: the file is empty" in out


def test_rows_come_while_pictures_are_still_to_be_read(here, monkeypatch, capsys):
    seen = []

    def lines():
        for place in range(6):
            seen.append(len(sys.stdout.getvalue().splitlines()))
            yield f"pics/green heart/00{place % 3}.png\n".encode()

    class Stdin:
        buffer = lines()

    monkeypatch.setattr(sys, "stdin", Stdin())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["predict", "mine", "-", "--format", "jsonl", "--batch-size", "2"]) == 0
    assert seen == [0, 0, 2, 2, 4, 4]


def test_memory_stays_where_it_was(here):
    """Sixty pictures of 3 MB, open all at once, would be 180 MB."""
    learner = promptlab.load_learner("mine")
    large = Image.new("RGB", (1000, 1000))
    given = (large.copy() for _ in range(60))
    next(promptlab.predict_stream(learner, [large], batch_size=4))
    before = machine.restart_peak()
    assert sum(1 for _ in promptlab.predict_stream(learner, given, batch_size=4)) == 60
    assert machine.peak_memory_bytes() - before < 90e6


@pytest.mark.parametrize(
    ("names", "said"), [("", "no classes are chosen"), ("{0},{0}", "chosen more than once"), ("moon", "no class of")]
)
def test_classes_that_can_t_be_are_a_command_that_isn_t_understood(predict, place, names, said):
    first = sorted(path.name for path in (place / "pics").iterdir())[0]
    status, _, err = predict("probe", "pics", "--classes", names.format(first))
    assert status == 2
    assert "--classes" in err
    assert said in err
