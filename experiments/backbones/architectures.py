"""Builds every architecture of open_clip at miniature size and tries each kind of learner on it: architectures.csv.

uv run python -m experiments.backbones.architectures
"""

import csv
import sys
import tempfile
from pathlib import Path

import open_clip

from tests.helpers.backbone_trials import own_difference, trials
from tests.helpers.shrunk import shrunk

TABLE = Path(__file__).with_name("architectures.csv")


def row(name: str) -> dict[str, object]:
    """What an architecture has, and what runs on it."""
    with tempfile.TemporaryDirectory() as folder:
        clip = shrunk(name, Path(folder))
        text = open_clip.get_model_config(name)["text_cfg"]
        return {
            "architecture": name,
            "text_tower": type(clip.text_tower).__name__,
            "image_tower": type(clip.model.visual).__name__,
            "context_length": clip.context_length,
            "opening_tokens": len(clip.tokens.opening),
            "tokenizer": text.get("hf_tokenizer_name", "CLIP's own"),
            "logit_bias": bool(clip.logit_bias),
            "text_difference": f"{own_difference(clip):.0e}",
            **trials(clip),
        }


def main() -> None:
    """Write the table."""
    rows = []
    for name in sorted(open_clip.list_models()):
        rows.append(row(name))
        sys.stdout.write(f"{name}: {rows[-1]['text_tower']}\n")
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
