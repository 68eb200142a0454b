"""What a bench found, as plain values."""

import json
from dataclasses import asdict

import torch

from promptlab.bench.report import Report
from promptlab.bench.settings import Settings


def test_settings_that_name_no_device_have_a_machine():
    """Made from Python, they say ``auto``."""
    document = Report("coop", asdict(Settings(backbone="demo"))).document()
    assert document["machine"]["threads"] == torch.get_num_threads()
    assert json.loads(json.dumps(document)) == document
