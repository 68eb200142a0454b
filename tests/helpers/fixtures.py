"""Fixtures that folders of tests share, and examples in docstrings get: pyproject's ``addopts`` loads them for both."""

import os
from pathlib import Path

import pytest

from promptlab.data.prepare.download import Patience
from tests.helpers.server import Server

os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
"""Ray reads it when it is imported: under `uv run pytest` it would build an environment for every worker."""

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_session(tmp_path_factory):
    """Every test and every example has a feature cache of its own session, never the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMPTLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def own_cache(tmp_path_factory, monkeypatch):
    """A cache of this test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("PROMPTLAB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_data():
    """Real images, where they are."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED.parent.name}/{SHARED.name} is not beside the checkout")
    return SHARED


@pytest.fixture
def one_process(monkeypatch):
    """The contract without its new process, which takes seconds; what it finds, others test."""
    from promptlab.learners.base.contract import saving

    monkeypatch.setattr(saving, "scores_in_new_process", lambda saved: [asked.logits for asked in saved])


@pytest.fixture
def server(monkeypatch):
    """A server of downloads on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.close()


@pytest.fixture
def hasty():
    """Gives up soon."""
    return Patience(attempts=3, timeout=5, wait=0)
