"""``promptlab app``: a page on this machine that shows what a learner says of pictures."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence

SUMMARY = "a local page: drop a picture, see what a learner says of it"
USAGE = "app DIR"


def main(arguments: Sequence[str]) -> int:
    """Serve it until Ctrl-C; returns the exit status."""
    options = _parser().parse_args(arguments)
    from promptlab.app.look import Looker
    from promptlab.app.page import LOOPBACK, served
    from promptlab.support.console import say

    looker = Looker(options.folder)
    say("opening the page; the first time takes a while", stderr=True)
    with served(looker, host=options.host, port=options.port) as address:
        if options.host not in LOOPBACK:
            say(f"--host {options.host}: whoever can reach this machine can use the page", style="yellow", stderr=True)
        say(f"{address}  (Ctrl-C ends it)")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="promptlab app",
        description="A page on this machine: drop a picture, see probabilities, the threshold at work and the nearest "
        "pictures that the learner was adapted to. Needs gradio: pip install 'promptlab-clip[app]'.",
        epilog="exit status: 0 after Ctrl-C; 1 for a damaged folder; 2 without gradio",
    )
    parser.add_argument("folder", metavar="DIR", help="what adapt, a run or save_pretrained wrote")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (127.0.0.1: this machine alone)")
    parser.add_argument("--port", type=int, help="7860, or the next one that is free")
    return parser
