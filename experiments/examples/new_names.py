# %% [markdown]
# # Learn on some classes, recognise others by name
#
# Prompts that are learned on the first half of the classes score the second half, which they never saw: what
# papers call base-to-new generalisation. Learners that can do so say `open_vocabulary`.

# %%
import tempfile

import promptlab

clip = promptlab.load_clip("demo")
data = promptlab.demo_dataset("demo_shapes")
base, new = promptlab.base_new_classes(len(data.class_names))
picks, _ = promptlab.sample_few_shot(data.train.labels, data.val.labels, shots=16, seed=1)
seen = data.train.take(picks).of_classes(base)
print(f"base: {', '.join(data.class_names[i] for i in base[:3])}, ...; new: {data.class_names[new[0]]}, ...")

# %%
learner = promptlab.KgCoOp(clip, [data.class_names[i] for i in base], optim=promptlab.Optim(epochs=10))
promptlab.fit(learner, seen, views=4, seed=1)
others = learner.rebind([data.class_names[i] for i in new])
for name, scored, classes in (("base", learner, base), ("new", others, new)):
    zero_shot = promptlab.ZeroShot(clip, scored.class_names)
    items = data.test.of_classes(classes)
    before, after = (100 * promptlab.evaluate(one, items).top1 for one in (zero_shot, scored))
    print(f"{name:5} zero-shot {before:5.1f}   KgCoOp {after:5.1f}")

# %% [markdown]
# What was learned is a few kilobytes, and holds no class names that it couldn't leave.

# %%
with tempfile.TemporaryDirectory() as folder:
    saved = learner.save_pretrained(folder)
    print(", ".join(sorted(f"{file.name} {file.stat().st_size} bytes" for file in saved.iterdir())))
    again = promptlab.load_learner(folder, clip=clip).rebind(["red circle", "blue star", "green moon"])
print(again.class_names)
