"""Every learner in one table, ``overview.md``: ``python experiments/second_generation/overview.py RESULTS``.

RESULTS is where ``promptlab study experiments/second_generation`` put its results (results/studies/second_generation).
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from promptlab.config.groups import choices
from promptlab.report.averages import SweepRow
from promptlab.report.collection import collect
from promptlab.report.column import percent
from promptlab.report.cost import COSTS
from promptlab.report.grouping import summarise
from promptlab.report.statistics import MeanInterval
from promptlab.support.files import write_text_atomic

SHOTS = (1, 4, 16)
DATASET = "demo_shapes"
FAMILIES = ("prompt", "adapter", "fine-tune")
SEE_TEST_IMAGES = ("test-time", "transductive")
OF_PAPERS = ("ape_published", "ape_t_published", "mmrl_pp_published", "prograd_targets", "ship_paper_code",
             "ship_paper_code_imagenet", "tcp_targets")  # fmt: skip
"""Their numbers belong to the benchmarks."""
HEADER = ("learner", "base", "new", "H", *(f"{shots} shots" if shots > 1 else "1 shot" for shots in SHOTS),
          "parameters", "training s", "images/s", "seeds")  # fmt: skip
MARKED = "what sees more than the others: test images, unlabelled images, or sentences about the classes"
INNER = {"atprompt": "atprompt-coop", "dept": "dept-coop", "dept_atprompt": "dept-atprompt-coop", "ship": "ship-coop"}
"""What a Result calls the learners that go around another."""


def main(roots: Iterable[str]) -> int:
    """Write the table."""
    rows = [row for row in summarise(collect(roots).results) if row.dataset == DATASET]
    abouts = {name: node["about"] for name, node in choices("learner").items() if name not in OF_PAPERS}
    found = {name: [row for row in rows if row.learner == INNER.get(name, name)] for name in abouts}
    marked = [name for name, own in found.items()
              if abouts[name]["family"] in SEE_TEST_IMAGES or any(row.marks for row in own)]  # fmt: skip
    lines = ["| " + " | ".join(HEADER) + " |", "| :-- |" + " --: |" * (len(HEADER) - 1)]
    for family in FAMILIES:
        own = [name for name in found if abouts[name]["family"] == family and name not in marked]
        lines += [_heading(family), *(_line(name, found[name]) for name in own)]
    lines += [_heading(MARKED), *(_line(name, found[name]) for name in marked)]
    text = "\n".join(lines) + "\n"
    write_text_atomic(Path(__file__).parent / "overview.md", text)
    sys.stdout.write(text)
    return 0


def _heading(text: str) -> str:
    return f"| **{text}** |" + " |" * (len(HEADER) - 1)


def _line(name: str, rows: list[SweepRow]) -> str:
    paper = choices("learner")[name]["about"]["paper"]
    to_new = next((row for row in rows if row.protocol == "base_to_new"), None)
    few = {row.shots: row for row in rows if row.protocol == "few_shot"}
    marks = f" ({', '.join(rows[0].marks)})" if rows and rows[0].marks else ""
    cells = [f"[{name}]({paper}){marks}"]
    cells += [_score(to_new.scores.get(part) if to_new else None) for part in ("base", "new")]
    cells.append(_score(to_new.mean_of_seed_h if to_new else None))
    cells += [_score(few[shots].scores["test"] if shots in few else None) for shots in SHOTS]
    of = to_new or (rows[0] if rows else None)
    costs = {column.name: column for column in COSTS}
    cells += [costs[key].cell(of) if of else "–" for key in ("parameters", "training s", "images/s")]
    cells.append(_seeds([to_new, *(few.get(shots) for shots in SHOTS)]))
    return "| " + " | ".join(cells) + " |"


def _score(score: MeanInterval | None) -> str:
    if score is None:
        return "–"
    return percent(score.mean) + ("" if score.half_width is None else f" ±{100 * score.half_width:.2f}")


def _seeds(rows: list[SweepRow | None]) -> str:
    """How many, of base-to-new and of each number of shots; once where they are alike."""
    counts = [str(len(row.seeds)) if row else "0" for row in rows]
    return counts[0] if len(set(counts)) == 1 else "/".join(counts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["results/studies/second_generation"]))
