"""The wheel holds what the checkout holds, and works from a folder elsewhere."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed, tmp_path, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_reads_its_own_configuration(installed, tmp_path):
    where = run(
        installed, tmp_path, "-c", "import promptlab.support.paths as p; print(p.__file__); print(p.conf_dir())"
    )
    assert where.splitlines() == [
        str(installed / "promptlab" / "support" / "paths.py"),
        str(installed / "promptlab" / "conf"),
    ]
    shipped = {path.relative_to(installed / "promptlab") for path in (installed / "promptlab" / "conf").rglob("*.yaml")}
    assert shipped == {path.relative_to(ROOT) for path in (ROOT / "conf").rglob("*.yaml")}


def test_it_ships_what_is_no_code(installed):
    report = Path("promptlab", "report")
    kept = {path.relative_to(ROOT) for path in (ROOT / report).rglob("*") if path.suffix not in (".py", ".pyc")}
    files = {path for path in kept if (ROOT / path).is_file()}
    assert {path.suffix for path in files} == {".css", ".csv", ".j2", ".js", ".md"}
    assert all((installed / path).is_file() for path in files)


def test_it_runs(installed, tmp_path):
    assert "demo_shapes" in run(installed, tmp_path, "-m", "promptlab", "list", "datasets")
    quick = ["shots=1", "views=0", "learner.optim.epochs=1", "trainer.enable_progress_bar=false"]
    assert "zero-shot" in run(installed, tmp_path, "-m", "promptlab", "-m", *quick), "a sweep asks most of it"


def test_pip_knows_it_as_promptlab_clip(installed, tmp_path):
    ask = "import importlib.metadata as m; d = m.distribution('promptlab-clip'); print(d.version, *d.entry_points)"
    (folder,) = installed.glob("*.dist-info")
    said = run(installed, tmp_path, "-c", ask)
    assert said.startswith(folder.name.removeprefix("promptlab_clip-").removesuffix(".dist-info"))
    assert "name='promptlab', value='promptlab.cli.main:main'" in said


def test_messages_name_the_distribution():
    shipped = (*(ROOT / "promptlab").rglob("*.py"), *(ROOT / "conf").rglob("*.yaml"))
    named = {name for path in shipped for name in re.findall(r"promptlab[\w-]*\[\w+\]", path.read_text())}
    assert named == {f"promptlab-clip[{extra}]" for extra in ("app", "heif", "hf", "report", "video")}


def test_an_editable_install_reads_the_checkout():
    from promptlab.support.paths import conf_dir

    assert conf_dir() == ROOT / "conf"
