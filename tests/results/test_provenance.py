import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import promptlab
from promptlab.results import provenance
from promptlab.results.provenance import git_commit, host, own_commit, utc_now, versions


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_versions():
    found = versions()
    assert found["promptlab"] == promptlab.__version__
    assert re.match(r"\d+\.\d+", found["torch"])
    assert all(isinstance(text, str) for text in found.values())


def test_commit_and_dirty_flag(tmp_path, monkeypatch):
    assert git_commit(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert git_commit(tmp_path) is None  # nothing committed yet
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-q", "-m", "a")
    clean = git_commit(tmp_path)
    assert re.fullmatch(r"[0-9a-f]{40}", clean.commit)
    assert not clean.dirty
    (tmp_path / "a").write_text("2")
    assert git_commit(tmp_path).dirty
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    assert git_commit(tmp_path).commit == clean.commit


def test_somebody_elses_repository_around_the_package_doesnt_count(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a").mkdir()
    assert git_commit(tmp_path / "a") is None


def test_without_git(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(tmp_path) is None


def test_git_is_asked_once_a_process(monkeypatch):
    asked = []
    monkeypatch.setattr(provenance, "git_commit", lambda: asked.append(1))
    own_commit.cache_clear()
    assert (own_commit(), own_commit()) == (None, None)
    assert len(asked) == 1
    own_commit.cache_clear()


def test_host():
    found = host("cpu")
    assert found.device == "cpu"
    assert found.cpu_count >= 1
    assert found.torch_threads >= 1
    assert found.python == ".".join(map(str, sys.version_info[:3]))


def test_the_time_is_utc():
    parsed = datetime.fromisoformat(utc_now())
    assert parsed.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - parsed) < timedelta(minutes=1)


def test_reading_results_needs_no_torch():
    """A report over a thousand runs shouldn't wait for torch."""
    code = (
        "import sys\n"
        "from promptlab.report import columns, grouping, markup, spreadsheet, table\n"
        "from promptlab.results import document, ids, predictions, provenance, statistics, store\n"
        "print([name for name in ('torch', 'scipy', 'hydra', 'lightning') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
