"""``promptlab study``: a study is written down, repeated, and its verdict is what the numbers are."""

import pytest
import yaml

import promptlab.cli.main as cli

COMMAND = "-m learner=zero_shot,tip_adapter dataset=demo_textures protocol=few_shot shots=1 views=0 seed=1"


def study(capsys, *arguments):
    status = cli.main(["study", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def folder(tmp_path):
    fields = {"question": "Does it repeat?", "commands": [COMMAND], "elsewhere": 0.02}
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "study.yaml").write_text(yaml.safe_dump(fields))
    return tmp_path / "small"


def test_a_study_is_written_down_repeated_and_compared(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, out, _ = study(capsys, folder, "--write")
    assert status == 0
    written = yaml.safe_load((folder / "study.yaml").read_text())
    assert set(written["machine"]) == {"processor", "torch", "threads"}
    assert "demo\\_textures" in (folder / "table.md").read_text()
    assert "training s" not in (folder / "table.md").read_text()
    (folder / "study.yaml").write_text(yaml.safe_dump({**written, "costs": True}))
    assert study(capsys, folder, "--write", "--check-only")[0] == 0
    assert "training s" in (folder / "table.md").read_text()

    status, out, _ = study(capsys, folder, "--check-only")
    assert (status, "holds: 6 numbers of 2 evaluations, all the same" in out) == (0, True)
    assert "on the machine of the numbers" in out

    runs = folder / "runs.csv"
    runs.write_text(
        runs.read_text().replace("tip_adapter,demo,1,0,1,test,720,0.", "tip_adapter,demo,1,0,1,test,720,1.")
    )
    status, out, _ = study(capsys, folder)  # runs it again: what is finished is found
    assert status == 1
    assert "top1 was 1" in out
    assert "differs: 1 number beyond what is allowed, 0 evaluations missing" in out


def test_on_another_machine_the_stated_tolerance_counts(folder, tmp_path, capsys):
    results = tmp_path / "found"
    assert study(capsys, folder, "--write", "--results", results)[0] == 0
    fields = yaml.safe_load((folder / "study.yaml").read_text())
    (folder / "study.yaml").write_text(yaml.safe_dump({**fields, "machine": {"processor": "an abacus"}}))
    status, out, _ = study(capsys, folder, "--results", results, "--check-only")
    assert status == 0
    assert "on another machine" in out
    assert "the numbers: processor an abacus): they may differ by 2.00 points" in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is no study that can be repeated: it has no study.yaml"),
        ("question: why\ncommands: [-m]\n", "elsewhere"),
        ("{", "study.yaml"),
    ],
)
def test_what_is_no_study_is_said(tmp_path, capsys, text, message):
    if text is not None:
        (tmp_path / "study.yaml").write_text(text)
    status, _, err = study(capsys, tmp_path)
    assert status == 2
    assert message in err
    assert len(err.splitlines()) == 1


def test_nothing_to_check_is_said(folder, tmp_path, capsys):
    status, _, err = study(capsys, folder, "--results", tmp_path / "nowhere", "--check-only")
    assert (status, "leave out --check-only" in err) == (2, True)


def test_every_committed_study_reads():
    from promptlab.jobs.committed import RUNS_NAME, read_study
    from promptlab.report.repeated import read_rows
    from promptlab.support.paths import conf_dir

    found = [path.parent for path in (conf_dir().parent / "experiments").glob("*/study.yaml")]
    for folder in found:
        study = read_study(folder)
        assert study.commands
        page = (folder / "README.md").read_text()
        assert all((folder / f"{name}.png").is_file() and f"]({name}.png)" in page for name in study.figures)
        assert read_rows(folder / RUNS_NAME)
    assert found
