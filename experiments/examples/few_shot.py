# %% [markdown]
# # Four pictures of each class
#
# Four ways to adapt a frozen CLIP with a few labelled pictures, on the demo that promptlab carries: nothing to
# download.

# %%
import promptlab

clip = promptlab.load_clip("demo")  # or load_clip("ViT-B-16-quickgelu", "openai")
data = promptlab.demo_dataset("demo_shapes")
picks, _ = promptlab.sample_few_shot(
    data.train.labels, data.val.labels, shots=4, seed=1
)  # CoOp's draw, index for index
train = data.train.take(picks)
print(f"{len(train)} pictures of {len(data.class_names)} classes, such as {', '.join(data.class_names[:4])}")

# %% [markdown]
# A learner is built from the backbone and the class names, then fitted. Every picture is encoded once: what the
# second learner asks for is in the cache already.

# %%
learners = {
    "zero-shot": promptlab.ZeroShot(clip, data.class_names),
    "Tip-Adapter": promptlab.TipAdapter(clip, data.class_names, search=False),
    "linear probe from the texts": promptlab.ZSLP(clip, data.class_names, optim=promptlab.Optim(epochs=30, lr=0.1)),
    "CoOp": promptlab.CoOp(clip, data.class_names, ctx_init="a photo of a", optim=promptlab.Optim(epochs=20)),
}
for name, learner in learners.items():
    promptlab.fit(learner, train, views=4, seed=1)
    print(f"{name:28} {100 * promptlab.evaluate(learner, data.test).top1:5.1f} % of the test pictures")

# %% [markdown]
# What one of them says of a picture, and which pictures it takes for which: `predict` takes files, PIL images,
# arrays.

# %%
pictures = [data.test.source.open(int(i)) for i in data.test.indices[::97]]
truth = [data.class_names[label] for label in data.test.labels[::97]]
for name, best in zip(truth, promptlab.predict(learners["CoOp"], pictures).top(2), strict=True):
    print(f"{name:18} -> " + ", ".join(f"{guess} {probability:.2f}" for guess, probability in best))
