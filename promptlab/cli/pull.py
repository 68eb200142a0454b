"""``promptlab pull``: a learner from the Hugging Face hub into a folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

SUMMARY = "a learner from the Hugging Face hub into a folder"
USAGE = "pull ORGANISATION/NAME DIR"


def main(arguments: Sequence[str]) -> int:
    """Pull it; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="promptlab pull",
        description="Fetches a learner that promptlab push put on the hub. Card and tensors are checked before "
        "anything is written; nothing in such a repository is code, and nothing of it is run.",
    )
    parser.add_argument("repo", metavar="ORGANISATION/NAME", help="the repository")
    parser.add_argument("folder", metavar="DIR", help="where it goes")
    parser.add_argument("--revision", metavar="NAME", help="branch, tag or commit (main)")
    parser.add_argument("--json", action="store_true", help="one JSON document in place of the line")
    options = parser.parse_args(arguments)
    from promptlab.saved.card import CARD_NAME, read_card
    from promptlab.saved.hub import pull_learner
    from promptlab.support.console import say, say_json
    from promptlab.support.words import counted

    folder = pull_learner(options.repo, options.folder, revision=options.revision)
    card = read_card(folder / CARD_NAME)
    kind, count = card.learner.rpartition(".")[2], len(card.class_names)
    told = {"repo": options.repo, "folder": str(folder), "learner": card.learner, "classes": count}
    if options.json:
        say_json(told)
    else:
        say(f"{folder} holds {kind} of {counted(count, 'class')} over {card.backbone.name}")
    return 0
