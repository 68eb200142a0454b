"""Every test has a feature cache of its own session, never the user's."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_session(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROMPTLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


collect_ignore = ["plugin_example"]  # a package of its own: tests/test_plugin.py installs and runs it
