"""The learning curve reaches Lightning's loggers, whole, whatever interrupted the fit."""

import csv

import pytest
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.logger import DummyLogger

from promptlab.features.bank import FeatureBank
from tests.helpers.fits import QUIET
from tests.helpers.models import tiny_clip
from tests.training.test_resume import fitted


class Remembers(DummyLogger):
    def __init__(self):
        super().__init__()
        self.points = []

    def log_metrics(self, metrics, step=None):
        self.points.append((step, metrics))


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kill_at", [None, 20])
def test_every_logger_gets_a_point_per_epoch_of_every_stage(tmp_path, kill_at):
    bank, other, clip = FeatureBank(tmp_path / "features.sqlite"), Remembers(), tiny_clip()

    def run(**kill):
        loggers = [CSVLogger(tmp_path, name="", version=""), other]
        return fitted(clip, bank, tmp_path, select="val", trainer={**QUIET, "logger": loggers}, **kill)[1]

    if kill_at is not None:
        assert run(kill_at=kill_at) is None
        assert len(rows_of(tmp_path / "metrics.csv")) == 4  # also of a fit that was stopped
        other.points.clear()
    report = run()
    rows = rows_of(tmp_path / "metrics.csv")
    assert [(int(row["step"]), int(row["epoch"])) for row in rows] == [
        (step, point.epoch) for step, point in enumerate(report.curve)
    ]
    assert [point.stage for point in report.curve] == ["first"] * 3 + ["second"] * 4
    for row, point, (_, points) in zip(rows, report.curve, other.points, strict=True):
        shown = {"loss": point.loss, "accuracy": point.accuracy, "lr": point.learning_rate,
                 "val_accuracy": point.val_accuracy}  # fmt: skip
        assert points == {"epoch": point.epoch, **{f"{point.stage}/{name}": value for name, value in shown.items()}}
        assert float(row[f"{point.stage}/loss"]) == pytest.approx(point.loss)
