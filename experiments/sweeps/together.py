"""Three processes that work on the same runs at once: the same command twice, and ``sweep resume`` beside them.

    python -m experiments.sweeps.together --out experiments/sweeps/together.json

What is counted is how often each fit was begun and each image encoded; each of the three has to end with the table of
all runs. ``--kill`` ends one of them by SIGKILL in between: the others do its runs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
from pathlib import Path

from experiments.sweeps.killed import again, logged, start

RUNS = ["-m", "dataset=demo_textures", "protocol=few_shot", "views=0", "learner=coop,clip_adapter", "shots=1,2",
        "learner.optim.epochs=40", "seed=1,2,3,4,5", "ckpt_every_s=0", "trainer.enable_progress_bar=false"]  # fmt: skip


def main() -> None:
    """Start all three, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--out", type=lambda given: Path(given).absolute(), required=True)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROMPTLAB_CACHE"] = str(Path(folder, "cache"))
        os.chdir(folder)
        log = Path(folder, "log")
        processes = [start(log, RUNS)]
        while not list(Path("results").glob("sweeps/*/grid.json")):
            time.sleep(0.2)
        first = next(Path("results").glob("sweeps/*"))
        processes += [start(log, RUNS), start(log, ["sweep", "resume", str(first)])]
        if options.kill:
            while len(list(Path("results").rglob("result.json"))) < 6:
                time.sleep(0.2)
            os.killpg(processes[0].pid, signal.SIGKILL)
        said = [process.communicate()[1] for process in processes]
        runs = {str(sweep): len(list(sweep.glob("runs/*.json"))) for sweep in Path("results").glob("sweeps/*")}
        (images, images_again), (fits, fits_again) = again(logged(log), "image"), again(logged(log), "fit")
        summary = {
            "killed one": options.kill,
            "exit statuses": [process.returncode for process in processes],
            "said of an error": [text[-500:] for text in said if "Traceback" in text],
            "runs": fits,
            "Results": len(list(Path("results").rglob("result.json"))),
            "begun again": fits_again,
            "images encoded": images,
            "encoded again": images_again,
            "runs noted by each sweep": sorted(runs.values()),
        }
        os.chdir("/")
    options.out.write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
