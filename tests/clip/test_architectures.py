"""An architecture of each kind in open_clip's catalogue, at miniature size; all 144 are in experiments/backbones."""

import csv
from pathlib import Path

import open_clip
import pytest

from tests.helpers.backbone_trials import RUNS, own_difference, trials
from tests.helpers.shrunk import shrunk

TABLE = Path(__file__).parents[2] / "experiments" / "backbones" / "architectures.csv"
ALWAYS = ("zero_shot", "coop", "tip_adapter", "linear_probe")
EVERY_KIND = (
    "ViT-B-16-quickgelu",
    "RN50",
    "convnext_base",
    "EVA02-B-16",
    "PE-Core-B-16",
    "ViT-B-16-SigLIP",
    "ViT-SO400M-16-SigLIP-i18n-256",
    "ViT-L-14-CLIPA",
    "ViT-L-14-worldwide",
    "MobileCLIP2-L-14",
    "coca_ViT-B-32",
    "coca_roberta-ViT-B-32",
    "xlm-roberta-base-ViT-B-32",
    "mt5-base-ViT-B-32",
    "nllb-clip-base-siglip",
)


@pytest.mark.parametrize("name", EVERY_KIND)
def test_learners_run_on_each_kind_of_architecture(name, tmp_path):
    clip = shrunk(name, tmp_path)
    assert own_difference(clip) < 1e-5
    found = trials(clip)
    assert {column: found[column] for column in ALWAYS} == dict.fromkeys(ALWAYS, RUNS)
    (row,) = [row for row in rows() if row["architecture"] == name]
    assert {column: row[column] for column in found} == found
    assert row["text_tower"] == type(clip.text_tower).__name__


def test_the_table_has_every_architecture_and_all_run():
    assert [row["architecture"] for row in rows()] == sorted(open_clip.list_models())
    assert {row[column] for row in rows() for column in ALWAYS} == {RUNS}
    assert max(float(row["text_difference"]) for row in rows()) < 1e-5


def rows():
    with TABLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
