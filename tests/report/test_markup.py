import re
import shutil
import subprocess

import pytest

from promptlab.report.markup import latex, markdown
from promptlab.report.table import run_table, sweep_tables
from tests.helpers.results import make_result


def table():
    missing = {"base": 0.8, "new": None}
    lacking = [make_result(missing, reasons={"new": "no images"}, seed=seed) for seed in (1, 2)]
    (found,) = sweep_tables([*lacking, make_result({"base": 0.7, "new": 0.6}, learner="probe")])
    return found


def test_markdown():
    assert markdown(table()).splitlines() == [
        r"**demo\_shapes, base\_to\_new**",
        "",
        "backbone demo, shots 16, views 16",
        "",
        "| learner | seeds | base | new | H | H of means |",
        "| :-- | :-- | --: | --: | --: | --: |",
        "| zero-shot |  | 50.00 | 50.00 | 50.00 |  |",
        "| coop | 1,2 | 80.00 ±0.00 | – | – | – |",
        "| probe | 1 | 70.00 | 60.00 | 64.62 |  |",
        "",
        r"- demo\_shapes coop at 16 shots: new: no images",
        "- H: harmonic mean of base and new, averaged over seeds",
        "- H of means: harmonic mean of the means over seeds",
        "- top-1 accuracy in percent, mean ± 95 % Student-t interval over seeds",
    ]


def test_latex():
    assert latex(table()).splitlines()[6:] == [
        r"\begin{tabular}{llrrrr}",
        r"\toprule",
        r"learner & seeds & base & new & H & H of means \\",
        r"\midrule",
        r"zero-shot &  & 50.00 & 50.00 & 50.00 &  \\",
        r"coop & 1,2 & \textbf{80.00} $\pm$0.00 & -- & -- & -- \\",
        r"probe & 1 & \underline{70.00} & \textbf{60.00} & \textbf{64.62} &  \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert latex(table()).startswith("% demo_shapes, base_to_new\n% backbone demo,")


def test_headings_where_datasets_differ():
    (found,) = sweep_tables([make_result(), make_result(dataset="dtd")])
    assert "| **demo\\_shapes** |  |  |  |  |" in markdown(found)
    assert r"\multicolumn{5}{l}{demo\_shapes} \\" in latex(found)


def test_what_a_name_holds_comes_out_as_text():
    evil = make_result({"a|b\n<i>": 0.5}, learner=r"50% & $x_1$ \n {~^}", names=("base", "new"))
    as_markdown, as_latex = markdown(run_table(evil)), latex(run_table(evil))
    assert r"a\|b \<i\>" in as_markdown
    assert r"50\% \& \$x\_1\$ \textbackslash{}n \{\textasciitilde{}\textasciicircum{}\}" in as_latex
    assert r"a\textbar{}b \textless{}i\textgreater{}" in as_latex


def cells(runs, column, **options):
    (found,) = sweep_tables(runs)
    lines = [line.removesuffix(r" \\").split(" & ") for line in latex(found, **options).splitlines() if " & " in line]
    at = lines[0].index(column)
    return {line[0]: line[at] for line in lines[1:]}


def test_best_is_bold_and_second_underlined_as_printed():
    scores = {"a": 0.70001, "b": 0.7, "c": 0.6, "d": 0.5}
    found = cells([make_result({"test": score}, learner=name) for name, score in scores.items()], "test")
    assert found == {
        "zero-shot": "50.00",
        "a": r"\textbf{70.00}",
        "b": r"\textbf{70.00}",
        "c": r"\underline{60.00}",
        "d": "50.00",
    }


def test_of_two_the_other_is_not_underlined_and_marked_ones_do_not_compete():
    marked = make_result({"test": 0.9}, learner="adaptive", marks=("transductive",))
    found = cells([make_result({"test": 0.7}), marked], "test")
    assert found == {"zero-shot": "50.00", "coop": r"\textbf{70.00}", "adaptive": "90.00"}


def test_intervals_as_subscripts():
    runs = [make_result({"test": 0.7 + seed / 100}, seed=seed) for seed in (1, 2)]
    assert cells(runs, "test", subscripts=True)["coop"] == r"\textbf{71.50}$_{\pm 6.35}$"


def test_each_dataset_has_its_best():
    found = sweep_tables([make_result({"test": 0.7}), make_result({"test": 0.6}, dataset="dtd")])
    assert latex(found[0]).count(r"\textbf") == 2


def test_shots_compete_among_themselves():
    runs = [make_result({"test": 0.4 + s / 100}, learner=n, shots=s) for n, s in (("a", 1), ("a", 16), ("b", 16))]
    runs.append(make_result({"test": 0.45}, learner="b", shots=1))
    (found,) = sweep_tables(runs)
    lines = [line.split(" & ") for line in latex(found).splitlines() if line.startswith(("a", "b", "zero"))]
    assert [line[-1].removesuffix(r" \\") for line in lines] == [
        "50.00",
        "41.00",
        r"\textbf{56.00}",
        r"\textbf{45.00}",
        r"\textbf{56.00}",
    ]


HOSTILE = (
    "[3pt]",
    r"\\ \end{tabular} \input{/etc/passwd}",
    "% no comment",
    "a & b # $^_~{}",
    '<b>|"quoted"|</b>',
    "a\0b\nc\td",
)


def hostile():
    """A table whose every name means something to TeX."""
    runs = [make_result({name: 0.5 + at / 20 for at, name in enumerate(HOSTILE)}, learner=name) for name in HOSTILE]
    (found,) = sweep_tables([*runs, make_result({"test": None}, reasons={"test": HOSTILE[1]}, dataset=HOSTILE[0])])
    return latex(found, subscripts=True)


def test_every_row_has_a_cell_a_column_whatever_names_hold():
    text = hostile()
    body = [line for line in text.splitlines() if not line.startswith("%")]
    (columns,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)
    rows = [line for line in body if re.search(r"(?<!\\)&", line)]
    assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}
    assert len(rows) == 2 + len(HOSTILE) + 2  # and zero-shot CLIP twice, the headings, and the run without a score
    assert all(row.endswith(r" \\") and row.count(r"\\") == 1 for row in rows)
    assert all(line.count("{") - line.count(r"\{") == line.count("}") - line.count(r"\}") for line in body)
    assert not any(line.startswith("[") for line in body)
    assert "\n".join(body).count(r"\end{tabular}") == 1


COMPILERS = {"tectonic": ["tectonic"], "pdflatex": ["pdflatex", "-interaction=nonstopmode", "-halt-on-error"]}
COMPILER = next((command for name, command in COMPILERS.items() if shutil.which(name)), None)


@pytest.mark.skipif(COMPILER is None, reason="neither tectonic nor pdflatex is installed (Debian: texlive-latex-base)")
def test_it_compiles(tmp_path):
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}%s\end{document}"
    (tmp_path / "table.tex").write_text(document % f"\n{hostile()}\n{latex(table())}\n", encoding="utf-8")
    done = subprocess.run([*COMPILER, "table.tex"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "table.pdf").read_bytes().startswith(b"%PDF")
