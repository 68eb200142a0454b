import pytest

from promptlab.data.prepare.download import Patience
from tests.data.prepare.server import Server


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.close()


@pytest.fixture
def hasty():
    return Patience(attempts=3, timeout=5, wait=0)
