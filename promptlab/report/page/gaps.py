"""What is missing or failed: runs of sweeps, damaged files, evaluations without scores, seeds that others have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from promptlab.report.collection import Collection
from promptlab.report.study import ZERO_SHOT_LEARNER, Section, at_shots
from promptlab.support.words import some_of


def gaps(collection: Collection, sections: Sequence[Section]) -> list[str]:
    """A sentence for each; none where nothing is missing."""
    found = [sweep.sentence for sweep in collection.sweeps]
    found += [f"{path} can't be read and was skipped: {reason}" for path, reason in collection.damaged.items()]
    unfinished = "trained, but not scored to the end; the same command goes on"
    found += [f"{folder}: {unfinished}" for folder in collection.unfinished]
    found += list(_failed(collection))
    found += [sentence for section in sections for sentence in _of(section)]
    counted = sum(len(row.runs) for section in sections for row in section.rows)
    if counted < len(collection.results):
        found.append(f"{len(collection.results) - counted} older runs of a seed that was run again don't count.")
    return found


def _failed(collection: Collection) -> Iterator[str]:
    """Runs that left an error in their folder, but for as many as have it among their sweep's."""
    told = Counter(run.error for sweep in collection.sweeps for run in sweep.runs if run.error)
    for folder, error in collection.failed.items():
        message = error.partition(": ")[2] or error
        same = next((text for text in told if told[text] and text.endswith(message)), None)
        if same is None:
            yield f"{folder} failed: {error}"
        else:
            told[same] -= 1


def _of(section: Section) -> Iterator[str]:
    where = f"{section.protocol} on {section.backbone}"
    for name, row in zip(section.names, section.rows, strict=True):
        for note in row.notes:
            yield f"{where}, {row.dataset}, {name}, {at_shots(row.shots)}: {note}"
    yield from _seeds(section, where)
    yield from _cells(section, where)


def _seeds(section: Section, where: str) -> Iterator[str]:
    """Seeds that other rows have; zero-shot CLIP is the same under every seed."""
    rows = [pair for pair in zip(section.names, section.rows, strict=True) if pair[1].learner != ZERO_SHOT_LEARNER]
    seeds = sorted({seed for _, row in rows for seed in row.seeds})
    short: dict[str, list[str]] = {}
    for name, row in rows:
        lacking = [seed for seed in seeds if seed not in row.seeds]
        if lacking:
            missing = f"without seed{'s' if len(lacking) > 1 else ''} {some_of(list(map(str, lacking)), 10)}"
            short.setdefault(missing, []).append(f"{row.dataset} {name} {at_shots(row.shots)}")
    for missing, cells in short.items():
        yield f"{where}, {missing}: {some_of(cells, 8)}"


def _cells(section: Section, where: str) -> Iterator[str]:
    """Combinations of dataset and shots that some learners have and others don't; zero-shot CLIP has no shots."""
    cells = dict.fromkeys((row.dataset, row.shots) for row in section.rows)
    for name in section.contestants:
        if section.rows_of(name)[0].learner == ZERO_SHOT_LEARNER:
            continue
        own = {(row.dataset, row.shots) for row in section.rows_of(name)}
        lacking = [f"{dataset} {at_shots(shots)}" for dataset, shots in cells if (dataset, shots) not in own]
        if lacking:
            yield f"{where}, {name} has no run on {some_of(lacking, 8)}"
