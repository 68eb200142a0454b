"""How ``promptlab`` answers a command line, in an empty folder, and where a run would begin without running it."""

from __future__ import annotations

import io
import os
import traceback
from collections.abc import Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from promptlab.cli.main import main as promptlab

KINDS = ("message", "accepted", "traceback", "files", "status")
"""What a line may be answered by; the last three are defects."""


def answer(line: Sequence[str]) -> tuple[str, str]:
    """How a line is answered, and with which words."""
    said, status = io.StringIO(), None
    with TemporaryDirectory() as folder, chdir(folder), redirect_stdout(said), redirect_stderr(said):
        started = patch("promptlab.jobs.launch.under_hydra")
        with started as begun, patch.dict(os.environ, {"PROMPTLAB_CACHE": str(Path(folder).parent / "no-cache")}):
            try:
                status = promptlab(list(line))
            except SystemExit as error:  # argparse
                status = error.code if isinstance(error.code, int) else 1
            except BaseException:
                return "traceback", traceback.format_exc(limit=-4)
        left = [path.name for path in Path(folder).rglob("*")]
    words = " ".join(said.getvalue().split())
    if "Traceback" in words:
        return "traceback", words
    if left:
        return "files", f"{left[:3]} {words[:200]}"
    if status == 0:
        return "accepted", "" if begun.mock_calls else words[:80]
    if status not in (1, 2) or not words:
        return "status", f"{status} {words[:300]}"
    return "message", f"{status} {words[:300]}"
