"""One page for all tests that look at a whole one: drawing its figures takes seconds."""

import pytest

from tests.helpers.pages import page
from tests.helpers.studies import study


@pytest.fixture(scope="session")
def whole():
    return page([*study(shots=(1, 16)), *study(protocol="base_to_new", learners=("coop",))])
