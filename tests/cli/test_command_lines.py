"""Whatever is typed: a message and exit 1 or 2, or what was asked for; no traceback, and nothing written."""

from hypothesis import HealthCheck, Phase, example, given, settings

from tests.helpers.asked import answer
from tests.helpers.command_lines import command_lines, verb_lines

FEW = settings(
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@FEW
@given(command_lines() | verb_lines())
@example(["cache", "prune", "--keep-mb", "1e400"])
@example(["list", "--config-dir", "nowhere"])
@example(["data", "check", "folder", "dataset.path=\0"])
@example(["learner=coop", "learner.n_ctx=" + "9" * 5_000])
@example(["report", "x" * 100_000])
def test_a_command_line_is_answered(line):
    kind, words = answer(line)
    assert kind in ("message", "accepted"), words


def test_a_folder_of_results_is_not_left_where_nothing_came_of_it(tmp_path, monkeypatch):
    from promptlab.cli.main import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("nothing")
    assert main(["dataset=csv", "dataset.path=rows.csv", "results=new/deep", "protocol=few_shot"]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
