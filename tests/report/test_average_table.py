from promptlab.report.average_table import average_tables
from promptlab.report.markup import latex, markdown
from tests.helpers.studies import study


def test_averages_stand_under_a_papers_table():
    (table,) = average_tables(study(protocol="base_to_new"))
    lines = markdown(table).splitlines()
    assert lines[0] == r"**base\_to\_new, average over 3 datasets**"
    assert lines[2] == "backbone demo, shots 16"
    assert lines[4] == "| learner | base | new | mean of H | H of averages |"
    assert lines[6] == "| zero-shot | 45.00 | 45.00 | 45.00 | 45.00 |"
    assert lines[8].startswith("| maple | 58.45 ±1.72 | 53.45 ±1.72 | 55.8")
    assert r"maple & \textbf{58.45} $\pm$1.72 &" in latex(table)


def test_shots_are_a_column_where_they_differ():
    (table,) = average_tables(study(shots=(1, 16)))
    rows = [line.split(" | ")[:2] for line in markdown(table).splitlines()[7:11]]
    assert rows == [["| coop", "1"], ["| maple", "1"], ["| coop", "16"], ["| maple", "16"]]


def test_one_dataset_has_no_average_and_a_lacking_learner_says_so():
    assert average_tables(study(datasets=("dtd",))) == []
    runs = [run for run in study() if (run.learner, run.dataset) != ("maple", "dtd")]
    (table,) = average_tables(runs)
    assert "| maple | – |" in markdown(table)
    assert "- maple at 16 shots: no score at dtd" in markdown(table)
