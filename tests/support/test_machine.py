import subprocess
import sys

import pytest

from promptlab.support.machine import peak_memory_bytes


def test_peak_memory_is_in_bytes_and_never_falls():
    before = peak_memory_bytes()
    block = bytearray(64 << 20)
    block[::4096] = b"x" * len(block[::4096])
    after = peak_memory_bytes()
    assert 30 << 20 < before <= after < 1 << 40
    assert len(block) <= after


AFRESH = """
from promptlab.support.machine import memory_bytes, peak_memory_bytes, restart_peak
before = restart_peak()
if before > memory_bytes() + (16 << 20):
    print("the system doesn't let this process count its peak afresh")
else:
    block = bytearray(64 << 20)
    block[::4096] = b"x" * len(block[::4096])
    print(peak_memory_bytes() - before >= len(block) // 2)
"""


def test_a_peak_counted_afresh_is_of_what_comes_after():
    """In a process of its own: one with many tests behind it gives memory back while this counts."""
    said = subprocess.run([sys.executable, "-c", AFRESH], capture_output=True, text=True, check=True).stdout.strip()
    if said not in ("True", "False"):
        pytest.skip(said)
    assert said == "True"
