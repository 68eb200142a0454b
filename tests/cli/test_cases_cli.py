"""Cases of issue 12 at the command line: each with the value or the message that is right."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

import promptlab.jobs.job
from promptlab import CoOp, load_clip, load_learner
from promptlab.cli.main import main
from promptlab.saved.card import CardError
from promptlab.support.errors import PromptlabError
from tests.helpers.drawn import pictures

QUICK = ["learner=zero_shot", "protocol=few_shot", "views=0"]
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'b' * 64}\nsize 4180\n"


def run_main(capsys, *arguments):
    capsys.readouterr()
    status = main(arguments)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def only_checked(monkeypatch, tmp_path):
    """Runs end where they would begin; what they would have been is gathered."""
    begun = []
    monkeypatch.chdir(tmp_path)  # Hydra makes the folders of results

    def run(settings, **kwargs):
        begun.append(settings)
        raise PromptlabError("would run")

    monkeypatch.setattr(promptlab.jobs.job, "run", run)
    return begun


@pytest.mark.parametrize("name", ["pics a=b", "Fotos (1)", "数据"])
def test_paths_that_hydra_parses(capsys, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / name, 3, 6)
    status, out, err = run_main(capsys, *QUICK, "shots=1", "dataset=folder", "dataset.name=n", f"dataset.path={name}")
    assert status == 0, err
    assert "n, few_shot" in out


@pytest.mark.parametrize(
    "path", ["a#b", "a,b", "it's", 'say "x"', "C:\\data", "ends\\", "~x", "2024", "1e5", "true", "[x]", "{x}", "a b",
             "sort(a)", "-x", "$HOME", "=", "((", "a:b", "01", " lead"],
)  # fmt: skip
def test_a_path_is_text_whatever_is_in_it(capsys, only_checked, path):
    main(["dataset=folder", "dataset.name=n", f"dataset.path={path}", f"results={path}"])
    assert [(s.dataset.arguments["path"], s.results) for s in only_checked] == [(path, path)]


@pytest.mark.parametrize("given", ["[{} and {}]", "[a {}, the {}]"])
def test_a_list_that_cannot_be_read_is_shown_as_it_has_to_be_written(capsys, given):
    """The command in the message keeps every sign, the braces too, and is read as the texts that were meant."""
    status, _, err = run_main(capsys, "learner=zero_shot", f"learner.templates={given}")
    assert status == 2
    (word,) = shlex.split(err.rpartition("promptlab ")[2])
    parsed = OverridesParser.create().parse_override(word).value()
    assert [str(text) for text in parsed] == [text.strip() for text in given[1:-1].split(",")]


def test_paths_of_a_sweep_are_texts_too(capsys, only_checked):
    main(["-m", "dataset=folder", "dataset.name=n", "dataset.path=a=1 (x),2024,b"])
    assert [settings.dataset.arguments["path"] for settings in only_checked] == ["a=1 (x)", "2024", "b"]


def test_saved_prompts_are_a_pointer(tmp_path):
    CoOp(load_clip("demo"), ["red star", "blue star"], n_ctx=4).save_pretrained(tmp_path)
    for name in ("learned.safetensors", "card.json"):
        (tmp_path / name).write_text(POINTER)
        with pytest.raises(CardError, match=rf"{name} is a pointer of Git LFS, .*4,180 bytes.*git lfs pull"):
            load_learner(tmp_path)


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_weights_of_a_backbone_are_a_pointer(tmp_path, name):
    (tmp_path / name).write_text(POINTER)
    with pytest.raises(ValueError, match=f"{name} is a pointer of Git LFS"):
        load_clip("ViT-B-32", str(tmp_path / name), quick_gelu=False)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("epochs=5", "did you mean learner.optim.epochs?"),
        ("lr=0.1", "did you mean learner.optim.lr?"),
        ("learning_rate=0.1", "did you mean learner.optim.lr?"),
        ("n_ctx=4", "did you mean learner.n_ctx?"),
        ("device=cuda", "did you mean backbone.device?"),
        ("optim.epochs=4", "did you mean learner.optim.epochs?"),
        ("learner.epochs=4", "did you mean learner.optim.epochs?"),
        ("data_root=x", "did you mean data.root?"),
        ("root=x", "did you mean data.root?"),
        ("seeds=1,2", "did you mean seed?"),
        ("learner=CoOp", "did you mean coop?"),
        ("dataset=EuroSAT", "did you mean eurosat?"),
        ("dataset=Oxford-Pets", "did you mean oxford_pets?"),
        ("dataset=pets", "did you mean oxford_pets?"),
        ("backbone=ViT-B/16", "did you mean vit_b16?"),
        ("learner=zero_shot n_ctx=4", "it is a key of learner=cocoop, coop"),
        ("learner=tip_adapter learner.optim.epochs=5", "it is a key of learner=ape_t, clap"),
        ("dataset.path=x", "it is a key of dataset=csv, folder"),
        ("--jsn", "did you mean --json?"),
        ("learner=null", "one is needed; allowed are ape, ape_published"),
        ("learner={a:1}", "a name is needed; allowed are ape, ape_published"),
        ("shots=${nope}", "there is no key nope"),
        ("~seed", "a key can't be taken away"),
        ("=5", "an override is KEY=VALUE"),
        ("hydra/launcher=joblibb -m", "did you mean joblib?"),
    ],
)
def test_the_usual_slips_are_answered_before_anything_runs(capsys, words, meant):
    status, out, err = run_main(capsys, *words.split())
    assert (status, out) == (2, "")
    assert meant in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("null", ["experiment=null", "logger=null"])
def test_a_group_that_may_be_empty_takes_null(only_checked, null):
    main([null])
    assert only_checked[0].logger is None


TYPOS = ["learner.n_ctxx=4", "epochs=5", "learner=coopp", "dataset.path=(", "seed=a", "shotz=1", "learner.optim.lrr=1"]


def test_a_typo_is_answered_without_importing_torch():
    script = (
        "import sys; from promptlab.cli.main import main\n"
        "for words in sys.argv[1:]: assert main([words]) == 2, words\n"
        "sys.exit('imported torch' if {'torch', 'lightning', 'open_clip'} & sys.modules.keys() else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, *TYPOS], capture_output=True, text=True)
    assert (done.returncode, len(done.stderr.splitlines())) == (0, len(TYPOS)), done.stderr


def test_a_sweep_over_learners_may_set_a_key_that_some_lack(capsys, only_checked):
    words = ["-m", "learner=coop,tip_adapter", "learner.optim.epochs=5"]
    err = run_main(capsys, *words)[2]
    assert "learner.optim.epochs=5: coop takes it; tip_adapter has no such key and runs without it" in err
    assert [settings.learner.label for settings in only_checked] == ["coop", "tip_adapter"]
    assert only_checked[0].learner.arguments["optim"].arguments["epochs"] == 5
    assert "optim" not in only_checked[1].learner.arguments


def test_a_sweep_says_what_varies_and_how_to_repeat_what_failed(capsys, only_checked, tmp_path):
    results = tmp_path / "r[1]"
    status, out, err = run_main(capsys, "-m", *QUICK, "seed=1,2", f"results={results}")
    assert status == 1
    assert "1/2  seed=1  failed: would run" in out
    alone = f"alone: promptlab learner=zero_shot protocol=few_shot views=0 seed=2 'results={results}'"
    assert alone in out
    assert "2 of 2 runs failed:\n1/2  would run\n        promptlab learner=zero_shot" in err
    assert f"promptlab sweep resume '{results}/sweeps/" in err
    assert "Hydra" not in out + err
    assert "Error executing" not in out + err
    notes = [json.loads(note.read_text()) for note in sorted(results.rglob("runs/*.json"))]
    assert [note["error"] for note in notes] == ["would run", "would run"]


def test_a_failed_run_leaves_its_error_in_its_folder_until_it_succeeds(capsys, tmp_path, monkeypatch):
    words = [*QUICK, "dataset=demo_textures", f"results={tmp_path}"]
    with monkeypatch.context() as patch:
        patch.setattr("promptlab.runs.run.encode_images", raising)
        status, _, err = run_main(capsys, *words)
    assert (status, err.splitlines()[-1]) == (1, "promptlab: the images are gone")
    (note,) = tmp_path.rglob("error.txt")
    assert "ValueError: the images are gone" in note.read_text()
    assert run_main(capsys, *words)[0] == 0
    assert not note.exists()


def raising(*given):
    raise ValueError("the images are gone")


def test_an_interrupted_sweep_shows_what_is_done_and_that_it_goes_on(capsys, tmp_path, monkeypatch):
    real = promptlab.jobs.job.run

    def interrupted_at_the_second(settings, **kwargs):
        if settings.seed == 2:
            raise KeyboardInterrupt
        return real(settings, **kwargs)

    monkeypatch.setattr(promptlab.jobs.job, "run", interrupted_at_the_second)
    words = ["-m", *QUICK, "dataset=demo_textures", "seed=1,2,3", f"results={tmp_path / 'r'}"]
    status, out, err = run_main(capsys, *words)
    assert status == 130
    assert "demo_textures, few_shot" in out
    (sweep,) = (tmp_path / "r" / "sweeps").iterdir()
    assert err.splitlines()[-2:] == [
        f"1 of 3 runs done; promptlab sweep resume {sweep} goes on with the others",
        "promptlab: interrupted; run it again to go on",
    ]
    status, out, _ = run_main(capsys, "status", str(tmp_path / "r"))
    assert status == 0
    assert "1 done, 1 interrupted, 1 missing of 3 runs; about " in out
    monkeypatch.setattr(promptlab.jobs.job, "run", real)
    status, out, _ = run_main(capsys, "sweep", "resume", str(sweep))
    assert status == 0
    assert [line.split()[:2] for line in out.splitlines()[:2]] == [["2/3", "seed=2"], ["3/3", "seed=3"]]
    assert "seeds 1,2,3" in out or "seeds 1-3" in out
    assert "3 done of 3 runs" in run_main(capsys, "status", str(tmp_path / "r"))[1]


def test_zero_shot_is_one_row_and_json_is_one_document(capsys, tmp_path):
    words = [*QUICK, "dataset=demo_textures", f"results={tmp_path / 'r[2]'}"]
    status, out, _ = run_main(capsys, *words)
    assert status == 0
    assert "zero_shot" in out
    assert "zero-shot" not in out
    assert "next:" not in out, "seeds change nothing here"
    assert f"{tmp_path}/r[2]/" in out
    status, out, _ = run_main(capsys, "--json", *words)
    document = json.loads(out)
    assert (status, document["fresh"], document["result"]["learner"]) == (0, False, "zero_shot")
    assert Path(document["folder"], "result.json").is_file()
    status, out, _ = run_main(capsys, "-m", "--json", *words, "seed=1")
    assert [run["result"]["dataset"] for run in json.loads(out)] == ["demo_textures"]


def test_what_comes_next_fits_the_command():
    command = ["learner=coop", "seed=2", "dataset.path=a b"]
    assert promptlab.jobs.job.next_command(command, ran(scored(0.5, 0.4))) == (
        "promptlab -m learner=coop 'dataset.path=a b' seed=1,2,3 for an interval"
    )
    assert promptlab.jobs.job.next_command(command, ran(scored(0.4, 0.4))) == ""
    # MTA, TPT and TransCLIP score otherwise than zero-shot, but by nothing that a seed draws
    assert promptlab.jobs.job.next_command(command, ran(scored(0.5, 0.4), learned={})) == ""


def ran(scores, learned=(("ctx", (4, 512)),)):
    parameters = type("P", (), {"shapes": dict(learned)})
    return type("R", (), {"evaluations": {"test": scores}, "trained_parameters": parameters})


def scored(own, zero_shot):
    return type("E", (), {"metrics": type("M", (), {"top1": own}), "zero_shot": type("M", (), {"top1": zero_shot})})


def test_missing_datasets_are_named_together_with_the_commands_that_get_them(capsys, tmp_path):
    words = ["-m", "dataset=eurosat,dtd,demo_shapes", f"data.root={tmp_path}"]
    status, out, err = run_main(capsys, *words)
    assert (status, out) == (1, "")
    for name in ("eurosat", "dtd"):
        assert f"promptlab data prepare {name} --root {tmp_path}" in err
    assert "demo_shapes" not in err
    assert len(err.splitlines()) == 1


def test_a_folder_that_can_not_be_written_to_is_named_with_its_key(capsys, tmp_path):
    (tmp_path / "file").touch()
    status, _, err = run_main(capsys, *QUICK, f"results={tmp_path}/file/x")
    assert status == 1
    assert f"results={tmp_path}/file/x: a file is in the way of a folder" in err


def test_a_wrong_level_is_named(capsys, monkeypatch):
    monkeypatch.setenv("PROMPTLAB_LOG", "verbos")
    status, _, err = run_main(capsys, "list")
    assert status == 2
    assert "PROMPTLAB_LOG=verbos: no such level; allowed are debug, info, warning, error, critical" in err


def test_a_missing_package_is_named_with_its_install_line(capsys, monkeypatch):
    monkeypatch.setattr("promptlab.cli.cache.main", missing_package)
    assert run_main(capsys, "cache", "list")[2].endswith("pip install tensorboard\n")


def missing_package(arguments):
    raise ModuleNotFoundError("No module named 'tensorboard'", name="tensorboard")


def test_lists_say_all_about_one_and_speak_json(capsys):
    status, out, _ = run_main(capsys, "list", "learners", "coop")
    assert status == 0
    assert "learner.optim.epochs" in out
    assert "class-specific contexts" in out
    assert "coop_few_shot" in run_main(capsys, "list", "experiments")[1]
    found = json.loads(run_main(capsys, "list", "--json")[1])
    assert found["learners"]["coop"]["paper"] == "https://arxiv.org/abs/2109.01134"
    assert run_main(capsys, "list", "learner")[2].startswith("promptlab: no list 'learner', did you mean learners?")


def test_no_list_cuts_anything(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    out = run_main(capsys, "list")[1]
    assert "…" not in out
    assert "2109.01134" in out


def test_an_ascii_console_shows_the_table(tmp_path):
    script = (
        "from promptlab.cli.main import main; from tests.report.printing import edge_cases\n"
        "import promptlab.cli.report as report, promptlab.results.store as store\n"
        "store.load_results = lambda folder: edge_cases()\n"
        "raise SystemExit(main(['report', '.']))"
    )
    surroundings = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=surroundings)
    assert done.returncode == 0, done.stderr
    assert b"+-" in done.stdout
    done.stdout.decode("ascii")


INTERRUPTED = """
import os, sys

class Moment:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), {number})

from promptlab.cli.main import main
sys.meta_path.insert(0, Moment())
sys.exit(main())
"""


@pytest.mark.parametrize(("number", "module"), [(signal.SIGINT, "hydra.core.utils"), (signal.SIGTERM, "torch")])
def test_an_interrupt_while_it_starts_is_one_line(number, module, tmp_path):
    """From the moment that the command is imported: before that Python itself answers."""
    script = INTERRUPTED.format(module=module, number=int(number))
    words = ["dataset=demo_textures", "protocol=few_shot", f"results={tmp_path}"]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "promptlab: interrupted; run it again to go on"
    assert "Traceback" not in done.stderr
