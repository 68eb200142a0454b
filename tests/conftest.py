"""Every test has a feature cache of its own session, never the user's."""

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # several workers would fight for the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_session(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMPTLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


pytest_plugins = ["tests.helpers.fixtures"]
collect_ignore = ["plugin_example"]  # a package of its own: tests/test_plugin.py installs and runs it
