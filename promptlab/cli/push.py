"""``promptlab push``: a saved learner onto the Hugging Face hub, with a model card."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

SUMMARY = "a saved learner onto the Hugging Face hub, with a model card"
USAGE = "push DIR ORGANISATION/NAME"


def main(arguments: Sequence[str]) -> int:
    """Push it; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="promptlab push",
        description="Puts card.json, learned.safetensors, result.json and a README.md on the hub. You are whom the "
        "hub's own client knows (hf auth login, HF_TOKEN). A README.md in DIR is pushed as it is, else one is "
        "written; a result.json that names paths of this machine stays here.",
    )
    parser.add_argument("folder", metavar="DIR", help="a saved learner, or a run's folder")
    parser.add_argument("repo", metavar="ORGANISATION/NAME", help="where it goes; made if it isn't there")
    parser.add_argument("--private", action="store_true", help="a new repository is seen by its owners alone")
    parser.add_argument("--revision", metavar="BRANCH", help="the branch to commit to (main)")
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the line")
    options = parser.parse_args(arguments)
    from promptlab.saved.hub import push_learner
    from promptlab.support.console import say, say_json

    commit = push_learner(options.folder, options.repo, private=options.private, revision=options.revision)
    told = {"folder": options.folder, "repo": options.repo, "commit": commit}
    if options.json:
        say_json(told)
    else:
        say(f"{options.folder} is {options.repo} on the hub: {commit}")
    return 0
