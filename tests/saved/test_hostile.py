"""Folders of learners from strangers: refused with the reason, or shown as text. Nothing that came with data runs."""

import hashlib
import json
import os
import struct

import pytest
import torch
from safetensors.torch import save

import promptlab
from promptlab import load_learner
from promptlab.cli.main import main
from promptlab.learners import CoOp, OtherBackbone, PromptKD, ZeroShot
from promptlab.saved.card import CardError
from promptlab.saved.hub import HubError, push_learner
from promptlab.support.checksums import sealed, unsealed
from promptlab.support.console import say
from tests.helpers.learners import TEACHER
from tests.helpers.toys import Taught

NAMES = ("ring", "star")
COMMANDS = ("\x1b]0;owned\x07", "\x1b[2J\x1b[H", "a\rb", "\u202edrowssap", "\x9b31m")
"""Names that would set a terminal's title, wipe it, write over a line, turn what follows around, or colour it."""


@pytest.fixture(scope="module")
def clip():
    return promptlab.load_clip("demo")


@pytest.fixture
def folder(clip, tmp_path):
    return CoOp(clip, NAMES, n_ctx=2, generator=torch.Generator()).save_pretrained(tmp_path / "saved")


def edit(folder, **changes):
    card = {**unsealed(json.loads((folder / "card.json").read_text())), **changes}
    (folder / "card.json").write_text(json.dumps(sealed(card)))


def put_tensors(folder, data):
    """Tensors of one's own making, with a card that vouches for them."""
    (folder / "learned.safetensors").write_bytes(data)
    edit(folder, learned_sha256=hashlib.sha256(data).hexdigest())


def with_header(header, rest=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**40) + b'{"ctx": {}}',
        with_header(b"[" * 50_000 + b"]" * 50_000),
        with_header(b"null"),
        with_header({"ctx": {"dtype": "F32", "shape": [2**31, 2**31], "data_offsets": [0, 2**64]}}),
        with_header({"ctx": {"dtype": "F32", "shape": [2, 128], "data_offsets": [0, 1024]}}, b"short"),
        with_header({"ctx": {"dtype": "F32", "shape": [2, 128], "data_offsets": [-1024, 0]}}, b"\0" * 1024),
        with_header({"ctx": {"dtype": "F32", "shape": [0, 2**62], "data_offsets": [0, 0]}}),
        with_header({"ctx": {"dtype": "OBJ", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4),
        with_header(
            {"__metadata__": {"promptlab": "[]"}, "ctx": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}}
        ),
        b"\x80\x04cposix\nsystem\n(S'touch owned'\ntR.",
    ],
)
def test_tensors_that_no_one_wrote_are_refused(clip, folder, data):
    put_tensors(folder, data)
    with pytest.raises(CardError, match=r"learned\.safetensors|don't fit"):
        load_learner(folder, clip)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_none_are_refused(clip, folder, value):
    put_tensors(folder, save({"ctx": torch.full((2, clip.width), value)}))
    with pytest.raises(CardError, match="NaN or infinities"):
        load_learner(folder, clip)


@pytest.mark.parametrize(
    "decision",
    [
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"temperature": 0},
        {"threshold": float("nan")},
        {"threshold": 2},
        {"others": "ring"},
        {"others": [1]},
        {"others": ["no class of it"], "unknown": 1},
    ],
)
def test_decisions_that_decide_nothing_are_refused(clip, folder, decision):
    edit(folder, decision=decision)
    with pytest.raises(CardError, match="decision"):
        load_learner(folder, clip)


@pytest.mark.parametrize("names", [[], [""], ["ring", 7], ["ring", ["star"]], "ring", ["x" * 10_000], None])
def test_class_names_that_are_none_are_refused(clip, folder, names):
    edit(folder, class_names=names)
    with pytest.raises(CardError):
        load_learner(folder, clip)


def test_a_card_can_not_have_sentences_read_from_a_file_of_this_machine(clip, tmp_path):
    folder = ZeroShot(clip, NAMES).save_pretrained(tmp_path / "saved")
    secret = tmp_path / "sentences.json"
    secret.write_text(json.dumps({name: [f"A {name}."] for name in NAMES}))
    edit(folder, arguments={"prompts": str(secret)})
    with pytest.raises(CardError, match="prompts names a file"):
        load_learner(folder, clip)


def test_a_card_can_not_have_a_teachers_folder_opened(clip, tmp_path):
    learner = PromptKD(clip, NAMES, teacher=TEACHER, prompt_depth_vision=2)
    folder = learner.save_pretrained(tmp_path / "saved")
    arguments = json.loads((folder / "card.json").read_text())["arguments"]
    edit(folder, arguments={**arguments, "teacher": {**arguments["teacher"], "folder": TEACHER.folder}})
    with pytest.raises(CardError, match="isn't opened for a card"):
        load_learner(folder, clip)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "ViT-B-32", "pretrained": "/etc/passwd"}, "teacher: pretrained='/etc/passwd' is a file or folder"),
        ({"name": "ViT-B-32", "pretrained": "weights.pt"}, "teacher: pretrained='weights.pt' is a file or folder"),
        ({"name": "local-dir:/tmp/evil"}, "teacher: name='local-dir:/tmp/evil' is a file or folder"),
        ({"name": "transformers:./evil"}, "teacher: name='transformers:./evil' is a file or folder"),
        ({"name": ["demo"]}, "teacher: name=\\['demo'\\], pretrained=None: a backbone's name"),
    ],
)
def test_a_card_can_not_have_a_teachers_weights_opened(clip, tmp_path, monkeypatch, changed, said):
    folder = Taught(clip, NAMES, teacher=OtherBackbone(name="demo")).save_pretrained(tmp_path)
    arguments = json.loads((folder / "card.json").read_text())["arguments"]
    edit(folder, arguments={**arguments, "teacher": {**arguments["teacher"], "fingerprint": None, **changed}})
    monkeypatch.setattr("promptlab.learners.base.other_backbone._loaded", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(CardError, match=said):
        load_learner(folder, clip, learner=Taught)


@pytest.mark.parametrize("name", ["card.json", "learned.safetensors"])
def test_what_is_no_file_is_not_read(clip, folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)  # reading it would wait for ever
    with pytest.raises(CardError, match=f"has no {name}"):
        load_learner(folder, clip)
    with pytest.raises(CardError, match=f"has no {name}"):
        push_learner(folder, "me/rings")


@pytest.mark.parametrize("name", ["README.md", "result.json", "card.json"])
def test_what_a_link_leads_to_is_not_pushed(folder, tmp_path, name):
    (tmp_path / "secret").write_bytes((folder / name).read_bytes() if (folder / name).exists() else b"secret")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "secret")
    with pytest.raises(HubError, match=f"{name} is a link"):
        push_learner(folder, "me/rings")


@pytest.mark.parametrize("text", COMMANDS)
def test_what_names_would_command_a_terminal_is_spelled_out(capsys, text):
    say(text)
    printed = capsys.readouterr().out.rstrip("\n")
    assert printed.isprintable()
    assert "\\x" in printed or "\\u" in printed


def test_a_table_commands_a_terminal_no_more_than_a_line(capsys):
    from rich.table import Table

    from promptlab.support.console import console

    table = Table("\x1b[2J")
    table.add_row("\x1b]0;owned\x07")
    console().print(table)
    assert "\x1b" not in capsys.readouterr().out


def test_a_card_with_such_names_is_shown_as_text(folder, capsys):
    card = json.loads((folder / "card.json").read_text())
    edit(folder, backbone={**card["backbone"], "name": "demo\x1b[2J", "fingerprint": "0" * 16})
    assert main(["export", str(folder), "--to", "numpy"]) == 1
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "\\x1b[2J" in said.err


def test_hostile_class_names_are_exported_as_they_are(clip, tmp_path, capsys):
    names = ("<img src=x onerror=alert(1)>", "\\input{/etc/passwd}", *COMMANDS)
    folder = CoOp(clip, names, n_ctx=2, generator=torch.Generator()).save_pretrained(tmp_path / "saved")
    assert main(["export", str(folder), "--to", "numpy", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert tuple(described["about"]["class_names"]) == names
    picture = promptlab.demo_dataset("demo_shapes").test.source.open(0)
    assert promptlab.predict(load_learner(folder, clip), [picture]).names[0] in names
