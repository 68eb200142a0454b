# %% [markdown]
# # A small study, from the sweep to the figure
#
# What `promptlab -m ...` does on a command line, here from Python: two learners, two numbers of shots, three
# seeds. Runs that are finished are found again: run it twice, and nothing is computed anew.

# %%
from pathlib import Path

import promptlab
from promptlab.cli.main import main

sweep = ["-m", "learner=tip_adapter,zslp", "protocol=few_shot", "shots=1,4", "seed=1,2,3", "views=0", "results=study"]
assert main(sweep) == 0

# %% [markdown]
# Every run is a Result that says what went into it. `rows()` are for pandas.

# %%
results = promptlab.load_results("study")
print(len(results), "results; a row has", ", ".join(list(results.rows()[0])[:8]), "...")

# %% [markdown]
# The report: tables as Markdown, LaTeX or CSV, a page with everything, figures for a paper.

# %%
main(["report", "study", "--format", "markdown"])
main(["report", "study", "--html", "study.html", "--figures", "figures"])
print("page:", Path("study.html").stat().st_size // 1000, "kB; figures:", len(list(Path("figures").iterdir())))
