# %% [markdown]
# # Pictures of your own
#
# A folder with a folder per class becomes a classifier with scikit-learn's methods. Here the pictures are the demo's,
# written to files first; with yours, begin at the next cell. On a command line it is `promptlab adapt PICTURES`.

# %%
from pathlib import Path

import promptlab

data = promptlab.demo_dataset("demo_textures")
for index in range(0, 160, 10):
    row = int(data.train.indices[index])
    folder = Path("pictures") / data.class_names[int(data.train.labels[index])]
    folder.mkdir(parents=True, exist_ok=True)
    data.train.source.open(row).save(folder / f"{row}.png")

# %% [markdown]
# Without `learner=` four ways are compared by cross-validation on these pictures, and the simplest within noise of the
# best is fitted on all of them.

# %%
files = sorted(Path("pictures").glob("*/*.png"))
labels = [file.parent.name for file in files]
classifier = promptlab.Classifier(backbone="demo", learner="tip_adapter_f", views=4).fit(files, labels)
print(len(files), "pictures of", ", ".join(classifier.classes_))
print(f"right on those it learned from: {100 * classifier.score(files, labels):.0f} %")

# %% [markdown]
# Probabilities are honest as far as held-out pictures can tell: their temperature was fitted on those.

# %%
probabilities = classifier.predict_proba(files[:3])
for file, name, row in zip(files, classifier.predict(files[:3]), probabilities, strict=False):
    print(f"{file} -> {name} ({row.max():.2f})")

# %% [markdown]
# The folder that it leaves is what `promptlab predict`, `export`, `push` and `app` take.

# %%
folder = classifier.save_pretrained("my_classifier")
print(sorted(file.name for file in folder.iterdir()))
again = promptlab.Classifier.from_pretrained("my_classifier")
print((again.predict(files) == classifier.predict(files)).all())
