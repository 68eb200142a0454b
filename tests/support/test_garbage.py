"""The collector is put off and comes back as it was."""

import gc
from contextlib import suppress

import pytest

from promptlab.support.garbage import no_garbage_sought


@pytest.mark.parametrize("was_on", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_collector_is_afterwards_as_it_was(was_on, fails):
    before = gc.isenabled()
    try:
        (gc.enable if was_on else gc.disable)()
        with suppress(ZeroDivisionError), no_garbage_sought():
            assert not gc.isenabled()
            _ = 1 / (not fails)
        assert gc.isenabled() is was_on
    finally:
        (gc.enable if before else gc.disable)()
