"""What import-linter's contracts can't say by themselves, and that they are kept."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LEARNERS = ROOT / "promptlab" / "learners"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
METHODS = sorted(path for path in LEARNERS.rglob("*.py") if path.parent != LEARNERS / "base")


def test_the_contract_about_methods_lists_them_all():
    (contract,) = [contract for contract in CONTRACTS if contract["name"] == "Training and evaluation know no method"]
    found = {path.stem for path in LEARNERS.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    methods = found - {"__init__", "base", "contract"}
    listed = {module.removeprefix("promptlab.learners.") for module in contract["forbidden_modules"]}
    assert listed == methods, "list every module of promptlab/learners under that contract in pyproject.toml"


@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_methods_leave_scale_and_tower_to_the_backbone(path):
    """A private name of the base would be one that plug-ins have to copy."""
    assert not re.findall(r"logit_scale|text_tower|_relabelled|\bencode_words\b", path.read_text())
