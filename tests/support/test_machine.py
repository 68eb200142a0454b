import pytest

from promptlab.support.machine import memory_bytes, peak_memory_bytes, restart_peak


def test_peak_memory_is_in_bytes_and_never_falls():
    before = peak_memory_bytes()
    block = bytearray(64 << 20)
    block[::4096] = b"x" * len(block[::4096])
    after = peak_memory_bytes()
    assert 30 << 20 < before <= after < 1 << 40
    assert len(block) <= after


def test_a_peak_counted_afresh_is_of_what_comes_after():
    before = restart_peak()
    if before > memory_bytes() + (16 << 20):
        pytest.skip("the system doesn't let this process count its peak afresh")
    block = bytearray(64 << 20)
    block[::4096] = b"x" * len(block[::4096])
    assert peak_memory_bytes() - before >= len(block) // 2
