"""What it takes to look features up in many shards: python experiments/encode/many_shards.py WORK [SHARDS] [ROWS]."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np

from promptlab.features.encode import Row
from promptlab.features.shard_files import write_shard
from promptlab.features.shards import find_rows, folder_of, listed
from promptlab.features.store import Collection
from promptlab.support import files

D = 64
COLLECTION = (Collection("0123456789abcdef", "made up", "eval-224px-0123456789ab", 0, D),)


def write(root: Path, shards: int, rows: int) -> list[str]:
    """Shards as an encoder writes them: each a range of content ids."""
    files._sync = lambda path: None  # 20,000 of them would take longer than all the rest
    contents = sorted(sha256(str(number).encode()).hexdigest()[:32] for number in range(shards * rows))
    features = np.random.default_rng(0).standard_normal((rows, D)).astype(np.float32)
    folder = folder_of(root, COLLECTION[0])
    for start in range(len(listed(folder)) * rows, len(contents), rows):
        own = contents[start : start + rows]
        write_shard(folder, COLLECTION, [Row(c, 0, f, 1.0) for c, f in zip(own, features, strict=True)])
    return contents


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Seconds of the clock and of the processor, the best of three."""
    best = (float("inf"), float("inf"))
    for _ in range(3):
        clock, processor = time.perf_counter(), time.process_time()
        work()
        best = min(best, (time.perf_counter() - clock, time.process_time() - processor))
    return {"seconds": round(best[0], 4), "processor_seconds": round(best[1], 4)}


def look_up(root: Path, contents: list[str]) -> int:
    """How many of these are found, with their features read and checked."""
    wanted = np.ones((len(contents), 1), dtype=np.bool_)
    return sum(len(found.norms) for found in find_rows(root, COLLECTION, contents, wanted))


def main(work: Path, shards: int, rows: int) -> None:
    """All of it, into many_shards.json."""
    root = work / "many"
    contents = write(root, shards, rows)
    folder = folder_of(root, COLLECTION[0])
    some = np.random.default_rng(1).permutation(len(contents))
    report: dict[str, object] = {
        "shards": shards,
        "rows": len(contents),
        "bytes": sum(entry.stat().st_size for entry in os.scandir(folder)),
        "listing": timed(lambda: listed(folder)),
    }
    for count in (1, 160, 8100):
        own = [contents[place] for place in some[:count].tolist()]
        assert look_up(root, own) == count
        report[f"{count} images"] = timed(lambda own=own: look_up(root, own))
    elsewhere = [sha256(f"other {number}".encode()).hexdigest()[:32] for number in range(8100)]
    assert look_up(root, elsewhere) == 0
    report["8100 images that are not there"] = timed(lambda: look_up(root, elsewhere))
    report["open_files"] = len(os.listdir("/proc/self/fd"))
    (Path(__file__).parent / "many_shards.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    given = sys.argv[1:]
    main(Path(given[0]), *(int(word) for word in (given[1:] or ["10000", "130"])))
