"""Every test here has a cache of its own."""

import pytest


@pytest.fixture(autouse=True)
def empty_cache(own_cache):
    return own_cache
