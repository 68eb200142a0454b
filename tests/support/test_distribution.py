"""Other people's software called promptlab, installed beside promptlab-clip, is named before it does harm."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THEIRS = "Name: promptlab\nVersion: 0.1.11\nSummary: An experimentation tool for Gen AI applications.\n"
OUR_EARLIER = "Name: promptlab\nVersion: 0.1.0\nSummary: Adapt a frozen CLIP with a handful of labelled images.\n"
MENDS = "pip uninstall promptlab, then pip install --force-reinstall --no-deps promptlab-clip"


def dist_info(site, folder, metadata):
    (site / folder).mkdir(parents=True)
    (site / folder / "METADATA").write_text(metadata)


@pytest.fixture
def site(tmp_path):
    """A folder of packages with promptlab-clip in it."""
    folder = tmp_path / "site"
    (folder / "promptlab").mkdir(parents=True)
    for part in (ROOT / "promptlab").iterdir():
        (folder / "promptlab" / part.name).symlink_to(part)
    dist_info(folder, "promptlab_clip-0.1.0.dist-info", "Name: promptlab-clip\nVersion: 0.1.0\n")
    return folder


def python(tmp_path, *arguments, path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONSAFEPATH": "1"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )


def test_alone_it_works(site, tmp_path):
    done = python(tmp_path, "-c", "import promptlab; print(promptlab.__path__[0])", path=[site])
    assert done.stdout.strip() == str(site / "promptlab"), done.stderr


def test_a_namesake_in_the_same_folder_is_named(site, tmp_path):
    dist_info(site, "promptlab-0.1.11.dist-info", THEIRS)
    done = python(tmp_path, "-c", "import promptlab", path=[site])
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"{site} holds promptlab-clip and also promptlab 0.1.11" in last
    assert MENDS in last


def test_a_namesake_beside_an_editable_install_is_named(tmp_path):
    site = tmp_path / "site"
    dist_info(site, "promptlab_clip-0.1.0.dist-info", "Name: promptlab-clip\nVersion: 0.1.0\n")
    dist_info(site, "promptlab-0.1.11.dist-info", THEIRS)
    done = python(tmp_path, "-m", "promptlab", "--version", path=[ROOT, site])
    assert done.returncode == 1
    assert f"{site} holds promptlab-clip and also promptlab 0.1.11" in done.stderr


def test_a_namesake_elsewhere_does_no_harm(site, tmp_path):
    dist_info(tmp_path / "other", "promptlab-0.1.11.dist-info", THEIRS)
    done = python(tmp_path, "-m", "promptlab", "--version", path=[site, tmp_path / "other"])
    assert done.returncode == 0, done.stderr


def test_our_own_earlier_name_locks_nobody_out(site, tmp_path):
    dist_info(site, "promptlab-0.1.0.dist-info", OUR_EARLIER)
    done = python(tmp_path, "-m", "promptlab", "--version", path=[site])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("theirs", ['"""Theirs."""\n', None], ids=["overwritten", "removed with the namesake"])
def test_the_command_line_names_an_init_that_is_not_ours(site, tmp_path, theirs):
    """`pip install promptlab` afterwards overwrites `__init__.py`; uninstalling it takes that file away."""
    (site / "promptlab" / "__init__.py").unlink()
    if theirs:
        (site / "promptlab" / "__init__.py").write_text(theirs)
    command = "import sys, promptlab.cli.main as main; sys.exit(main.main(['--version']))"
    done = python(tmp_path, "-S", "-c", command, path=[site])  # without the folder that names this checkout
    assert done.returncode == 1
    assert done.stderr.startswith(f"promptlab: {site / 'promptlab'}/__init__.py is missing or not promptlab-clip's")
    assert MENDS in done.stderr
    assert "Traceback" not in done.stderr
