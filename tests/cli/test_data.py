"""``promptlab data check`` and ``prepare`` as their user meets them."""

import hashlib
import json
import shlex
import subprocess
import sys
from functools import partial

import pytest
import yaml
from PIL import Image

import promptlab.cli.main as cli
from promptlab.config.choices import choice_of
from promptlab.data.prepare import Sources, examine, sources, sources_of
from promptlab.support.errors import DatasetError
from tests.helpers import miniatures
from tests.helpers.archives import zip_of
from tests.helpers.benchmarks import BUILT_NAMES, COUNTS, NAMES, node, opened

SPLITS = ("train", "val", "test")


def run(capsys, *arguments):
    status = cli.main(["data", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def examined(name, root, **about):
    """Findings of a miniature, as (state, what) to what was said."""
    settings = node(name, root)
    settings["about"] |= dict(zip(SPLITS, COUNTS[name], strict=True)) | {"classes": len(NAMES[name])} | about
    settings["about"].pop("images")
    findings = examine(settings, choice_of(settings, "dataset").factory(), sources_of(name))
    return [(finding.state, finding.what, finding.said) for finding in findings]


def states(findings):
    return {state for state, *_ in findings}


@pytest.mark.parametrize("name", list(NAMES))
def test_a_miniature_is_complete_but_for_coops_split_file(name, tmp_path):
    getattr(miniatures, name)(tmp_path)
    findings = examined(name, tmp_path)
    assert states(findings) <= {"ok", "missing", "note"}
    missing = [said for state, _, said in findings if state == "missing"]
    if name in BUILT_NAMES:
        split_file = tmp_path / node(name, tmp_path)["folders"][0].split("/")[0] / node(name, tmp_path)["split_file"]
        assert missing == [f"{split_file.name} belongs at {split_file}; without it CoOp's rule builds another split, "
                           "and Results say so"]  # fmt: skip
    else:
        assert missing == []
    data = opened(name, tmp_path)
    assert ("note", "split", f"{data.split_source}, hash {data.split_hash} as in Results") in findings
    assert ("ok", "image files", "every listed one is there") in findings


@pytest.mark.parametrize("name", list(NAMES))
def test_nothing_there_names_every_place(name, tmp_path):
    findings = examined(name, tmp_path)
    assert states(findings) == {"missing"}
    assert findings[-1][1] == "run"
    folder = tmp_path / node(name, tmp_path)["folders"][0]
    assert any(str(folder) in said for _, _, said in findings[:-1])


def test_other_numbers_than_the_benchmarks_differ(tmp_path):
    miniatures.fgvc_aircraft(tmp_path)
    findings = examined("fgvc_aircraft", tmp_path, train=3334)
    assert [row for row in findings if row[0] == "differs"] == [("differs", "train", "6 instead of 3,334")]
    assert ("ok", "val", "6") in findings


def test_listed_images_that_are_not_there_are_counted_and_named(tmp_path):
    miniatures.fgvc_aircraft(tmp_path)
    for number in (1, 8):
        (tmp_path / "fgvc_aircraft" / "images" / f"{number:07}.jpg").unlink()
    missing = [said for state, what, said in examined("fgvc_aircraft", tmp_path) if state == "missing"]
    assert len(missing) == 1
    assert missing[0].startswith(f"2 of 18 images are missing under {tmp_path}/fgvc_aircraft/images: 0000001.jpg, ")


def test_imagenets_images_count_once_though_val_is_test(tmp_path):
    miniatures.imagenet(tmp_path)
    settings = node("imagenet", tmp_path)
    settings["about"] = {"classes": 3, "images": 42}
    findings = list(examine(settings, choice_of(settings, "dataset").factory(), sources_of("imagenet")))
    assert [(finding.state, finding.said) for finding in findings if finding.what == "images"] == [("ok", "42")]


@pytest.mark.parametrize("name", ["eurosat", "caltech101"])
def test_the_shared_datasets_are_complete(name, shared_data, capsys):
    status, out, _ = run(capsys, "check", name, "--root", shared_data)
    assert status == 0
    assert out.endswith("complete\n")
    assert "coop (split_zhou_" in out


@pytest.mark.parametrize("spelling", [["--root", "{}"], ["data.root='{}'"], ["--root={}"]])
def test_the_root_may_have_any_name(spelling, tmp_path, capsys):
    root = tmp_path / "my data, x=1 (old)"
    miniatures.eurosat(root)
    status, out, _ = run(capsys, "check", "eurosat", *(word.format(root) for word in spelling))
    assert status == 1
    assert f"eurosat in {root}" in out
    words = shlex.split(out.rpartition("next: promptlab ")[2])
    assert cli.main(["data", "check", *words[2:]]) == 1
    assert f"eurosat in {root}" in capsys.readouterr().out
    assert "3 classes found, 10 expected" in out


def test_without_a_root_it_is_that_of_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"eurosat in {tmp_path / 'data'}" in run(capsys, "check", "eurosat")[1]


def test_the_next_command_is_named(tmp_path, capsys):
    assert f"next: promptlab data prepare dtd --root {tmp_path}" in run(capsys, "check", "dtd", "--root", tmp_path)[1]


@pytest.mark.parametrize("verb", ["check", "prepare"])
def test_the_demo_is_complete_and_needs_no_download(verb, capsys):
    status, out, _ = run(capsys, verb, "dataset=demo_textures")
    assert (status, "complete" in out) == (0, True)
    assert ("nothing to download" in out) == (verb == "prepare")


def picture(path, colour):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 8), colour).save(path)


def test_ones_own_images_are_all_read(tmp_path, capsys):
    for number in range(8):
        picture(tmp_path / "mine" / "red" / f"{number}.png", (200, number, 0))
        picture(tmp_path / "mine" / "blue" / f"{number}.png", (0, number, 200))
    status, out, _ = run(capsys, "check", "folder", f"dataset.path={tmp_path / 'mine'}")
    assert (status, "16, each can be read" in out) == (0, True)
    cut = tmp_path / "mine" / "red" / "3.png"
    cut.write_bytes(cut.read_bytes()[:50])
    status, out, _ = run(capsys, "check", "folder", f"dataset.path={tmp_path / 'mine'}")
    assert (status, "red/3.png" in out) == (1, True)


def test_an_image_in_two_lists_differs(tmp_path, capsys):
    for place in ("train/red/1.png", "train/blue/2.png", "test/red/3.png", "test/blue/4.png"):
        picture(tmp_path / place, (int(place[-5]) * 50, 0, 0))
    assert run(capsys, "check", "folder", f"dataset.path={tmp_path}")[0] == 0
    picture(tmp_path / "test" / "red" / "3.png", (50, 0, 0))
    status, out, _ = run(capsys, "check", "folder", f"dataset.path={tmp_path}")
    assert (status, "test image is a training image too" in out) == (1, True)


def test_unreadable_images_are_all_counted_and_images_are_read_once(tmp_path, capsys, monkeypatch):
    for number in range(30):
        picture(tmp_path / "mine" / "red" / f"{number}.png", (200, number, 0))
        (tmp_path / "mine" / "red" / f"x{number}.png").write_bytes(b"no image")
    opened_files, open_image = [], Image.open
    monkeypatch.setattr(Image, "open", lambda path, *rest: opened_files.append(str(path)) or open_image(path, *rest))
    status, out, _ = run(capsys, "check", "folder", f"dataset.path={tmp_path / 'mine'}")
    assert (status, out.count("missing  image "), "and 10 more like these" in out) == (1, 21, True)
    assert len([path for path in opened_files if path.endswith(".png")]) == 60


def test_a_benchmarks_images_are_read_when_asked_to(tmp_path, capsys):
    """Miniatures' files are empty, which a listing can't tell."""
    miniatures.eurosat(tmp_path)
    arguments = ["check", "eurosat", "--root", tmp_path, "dataset.n_classes=3"]
    assert "every listed one is there" in run(capsys, *arguments)[1]
    status, out, _ = run(capsys, *arguments, "--decode")
    assert (status, "the file is empty" in out, "every listed one" in out) == (1, True, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "eurosatt"], "unknown dataset eurosatt, did you mean eurosat?"),
        (["check", "x=eurosat"], "'x=eurosat' is no dataset; see promptlab list datasets"),
        (["check", ""], "'' is no dataset"),
        (["prepare", "nope"], "unknown dataset nope; allowed are awa2"),
        (["check", "eurosat", "dataset.nclasses=3"], "unknown key dataset.nclasses, did you mean n_classes?"),
        (["check", "eurosat", "shots=3"], "dataset.KEY=VALUE or data.root=FOLDER is needed here"),
        (["check", "eurosat", "dataset.path"], "dataset.KEY=VALUE or data.root=FOLDER is needed here"),
    ],
)
def test_what_can_not_be_understood_is_named(arguments, message, capsys):
    status, _, err = run(capsys, *arguments)
    assert (status, message in err) == (2, True)


def test_without_arguments_the_help_is_shown(capsys):
    status, _, err = run(capsys)
    assert (status, "promptlab data prepare caltech101" in err) == (2, True)


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from promptlab.cli.main import main\n"
        "try: main(['data', '--help'])\n"
        "except SystemExit as leaving: assert not leaving.code\n"
        "heavy = {'torch', 'hydra', 'numpy', 'PIL', 'open_clip'} & sys.modules.keys()\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "exit status" in done.stdout


def test_the_command_line_lists_the_verb(capsys):
    assert cli.main(["--help"]) == 0
    assert "promptlab data check|prepare NAME" in capsys.readouterr().out


def test_a_plug_ins_dataset(tmp_path, capsys):
    picture(tmp_path / "images" / "1.png", (1, 2, 3))
    rows = [["1.png", 0, "one"]]
    (tmp_path / "split.json").write_text(json.dumps({"train": rows, "val": [], "test": rows}))
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    config = {"about": {"classes": 1, "train": 1}, "_target_": "promptlab.data.read_coop_split", "name": "my-own",
              "root": "${data.root}", "folder": ".", "split_file": "split.json", "image_folder": "images",
              "template": "a {}."}  # fmt: skip
    (tmp_path / "conf" / "dataset" / "my-own.yaml").write_text(yaml.safe_dump(config))
    status, out, _ = run(capsys, "check", "my-own", "--root", tmp_path, "--config-dir", tmp_path / "conf")
    assert (status, out.endswith("complete\n")) == (0, True)
    out = run(capsys, "prepare", "my-own", "--root", tmp_path / "x", "--config-dir", tmp_path / "conf")[1]
    assert "my-own: nothing to download" in out


@pytest.mark.parametrize(("changes", "expected"), [("dataset.template=none", 2), ("dataset.folders=[]", 1)])
def test_values_that_a_reader_refuses_are_said(changes, expected, tmp_path, capsys):
    miniatures.eurosat(tmp_path)
    status, _, err = run(capsys, "check", "eurosat", "--root", tmp_path, "dataset.n_classes=3", changes)
    assert (status, err.startswith("promptlab: "), len(err.splitlines())) == (expected, True, 1)


@pytest.fixture
def served(server, tmp_path, monkeypatch):
    """EuroSAT's sources, with its archive on the loopback."""
    miniatures.eurosat(tmp_path / "elsewhere")
    server.content = zip_of(tmp_path / "elsewhere" / "eurosat", tmp_path / "a.zip")
    known = yaml.safe_load(sources.FILE.read_text())
    known["eurosat"]["download"][0] |= {
        "url": f"{server.url}/EuroSAT.zip",
        "md5": hashlib.md5(server.content).hexdigest(),
    }
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump(known))
    monkeypatch.setattr(sources, "FILE", tmp_path / "sources.yaml")
    return server


def test_prepare_downloads_checks_and_says_what_is_left(served, tmp_path, capsys):
    arguments = ["eurosat", "--root", tmp_path / "d", "dataset.n_classes=3"]
    status, out, _ = run(capsys, "prepare", *arguments)
    assert status == 1
    assert f"in place    {tmp_path / 'd' / 'eurosat' / '2750'}" in out
    assert "classes      3 instead of 10" in out
    assert "1. split_zhou_EuroSAT.json: CoOp's DATASETS.md" in out
    assert f"-> {tmp_path / 'd' / 'eurosat' / 'split_zhou_EuroSAT.json'}" in out
    assert f"then: promptlab data check eurosat --root {tmp_path / 'd'} dataset.n_classes=3" in out
    run(capsys, "prepare", *arguments)
    assert len(served.requests) == 1


def test_a_failed_download_is_said_last_and_steps_are_printed_all_the_same(served, tmp_path, capsys):
    from tests.helpers.server import status as answer

    served.script = [answer(404)]
    status, out, err = run(capsys, "prepare", "eurosat", "--root", tmp_path / "d")
    assert (status, "404" in err, "split_zhou_EuroSAT.json:" in out) == (1, True, True)


def test_images_missing_in_a_folder_that_was_there_come_with_a_way_out(served, tmp_path, capsys):
    miniatures.eurosat(tmp_path)
    rows = [["Forest/not there.jpg", 0, "Forest"]]
    split = {"train": rows, "val": [], "test": rows}
    (tmp_path / "eurosat" / "split_zhou_EuroSAT.json").write_text(json.dumps(split))
    out = run(capsys, "prepare", "eurosat", "--root", tmp_path, "dataset.n_classes=1")[1]
    assert "rename its folder, and prepare downloads it anew" in out
    assert served.requests == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stanford_cars", ["cars_train.tgz", "issues/7545", "split_zhou_StanfordCars.json"]),
        ("sun397", ["SUN397.tar.gz", "8ca2778205c41d23104230ba66911c7a", "Partitions.zip"]),
        ("ucf101", ["UCF-101-midframes.zip", "drive.google.com"]),
        ("imagenet", ["ILSVRC2012_img_train.tar", "classnames.txt", "imagenet/images/val"]),
        ("awa2", ["AwA2-data.zip", "xlsa17.zip"]),
        ("sun", ["SUNAttributeDB_Images.tar.gz", "res101.mat"]),
    ],
)
def test_what_has_no_working_source_comes_with_steps(name, words, tmp_path, capsys):
    status, out, _ = run(capsys, "prepare", name, "--root", tmp_path)
    assert status == 1
    assert [word for word in [*words, f"then: promptlab data check {name}"] if word not in out] == []
    assert list(tmp_path.iterdir()) == []


def test_steps_that_are_done_are_not_printed(tmp_path, capsys):
    miniatures.stanford_cars(tmp_path)
    out = run(capsys, "prepare", "stanford_cars", "--root", tmp_path)[1]
    assert "1. split_zhou_StanfordCars.json" in out
    assert "  2." not in out


def test_an_interruption_is_said(tmp_path, capsys, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("promptlab.data.prepare.install", interrupted)
    status, _, err = run(capsys, "prepare", "eurosat", "--root", tmp_path)
    assert (status, "interrupted; run it again to go on" in err) == (130, True)


def test_a_dataset_that_can_not_be_opened_for_another_reason_is_said(tmp_path):
    def broken():
        raise DatasetError("line 3 is not as it should be")

    findings = list(examine({"about": {}}, broken, Sources()))
    assert [(finding.state, finding.said) for finding in findings] == [
        ("missing", "would stop: line 3 is not as it should be")
    ]


def test_numbers_of_a_generalised_benchmark(tmp_path):
    from promptlab.data.readers.xlsa17 import read_xlsa17
    from tests.helpers import xlsa17

    root = xlsa17.write(tmp_path)
    reader = partial(read_xlsa17, "cub", root, folder="CUB", image_folder="CUB_200_2011/images")
    settings = {"root": str(root), "folder": "CUB", "about": {"classes": 6, "seen": 4, "unseen": 3, "images": 60}}
    found = {finding.what: (finding.state, finding.said) for finding in examine(settings, reader, Sources())}
    assert found["seen"] == ("ok", "4")
    assert found["unseen"] == ("differs", "2 instead of 3")
    assert found["images"] == ("ok", "60")
    assert found["image files"][0] == "missing"
