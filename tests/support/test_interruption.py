"""An interrupt ends the work wherever it comes: in an import, in a finaliser, in a library that swallows everything."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

PREAMBLE = """
import os, signal, sys, time
from promptlab.support.interruption import interruptible, was_asked_to_end

def interrupt():
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(3):
        pass  # the handler runs between two bytecodes

def wait():
    for _ in range(600):
        time.sleep(0.05)
"""


def run(body: str, folder) -> subprocess.CompletedProcess[str]:
    """Run the body after the preamble in a process of its own, from a folder that it may import from."""
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(body)],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=folder,
        check=False,
    )


@pytest.mark.parametrize(
    "swallows",
    [
        "class Swallows:\n    def __del__(self): interrupt()\nSwallows()",
        "try:\n    interrupt()\nexcept BaseException:\n    pass",
        "import weakref\nclass Kept: pass\nkept = Kept()\nref = weakref.ref(kept, lambda _: interrupt())\ndel kept",
    ],
    ids=["finaliser", "bare except", "weak reference"],
)
def test_an_interrupt_that_was_swallowed_comes_again(swallows, tmp_path):
    body = f"""
try:
    with interruptible():
{textwrap.indent(swallows, " " * 8)}
        print("went on", flush=True)
        wait()
except KeyboardInterrupt:
    print("interrupted")
"""
    done = run(body, tmp_path)
    assert (done.stdout.split("\n")[:2], done.stderr) == (["went on", "interrupted"], "")


def test_an_interrupt_waits_for_an_imports_end(tmp_path):
    """Raised in it, it would turn into another error, or abort a compiled extension."""
    (tmp_path / "slow_to_import.py").write_text(
        "import __main__\n__main__.interrupt()\n__main__.time.sleep(0.5)\nprint('imported', flush=True)\n"
    )
    body = """
    try:
        with interruptible():
            import slow_to_import
            wait()
    except KeyboardInterrupt:
        print("interrupted", "slow_to_import" in sys.modules)
    """
    done = run(body, tmp_path)
    assert (done.stdout, done.stderr) == ("imported\ninterrupted True\n", "")


def test_a_command_that_is_itself_imported_is_not_waited_for(tmp_path):
    (tmp_path / "my_study.py").write_text(
        "import __main__\nwith __main__.interruptible():\n    __main__.interrupt()\n    print('went on')\n"
    )
    body = """
    try:
        import my_study
    except KeyboardInterrupt:
        print("interrupted")
    """
    done = run(body, tmp_path)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_what_ends_slowly_is_interrupted_once(tmp_path):
    """While the work is put away, what is being handled is the interrupt itself, or what a library made of it."""
    body = """
    try:
        with interruptible():
            try:
                try:
                    interrupt()
                except KeyboardInterrupt:
                    raise SystemExit(1)
            finally:
                time.sleep(0.7)
                print("put away", flush=True)
    except SystemExit:
        print("ended", was_asked_to_end())
    time.sleep(0.5)
    print(signal.getitimer(signal.ITIMER_REAL))
    """
    done = run(body, tmp_path)
    assert (done.stdout, done.stderr) == ("put away\nended True\n(0.0, 0.0)\n", "")
