# %% [markdown]
# # Magnet in a notebook
# A script in percent format: Jupyter (with jupytext), VS Code and PyCharm open it as cells, and
# `python examples/notebook.py` runs it as it stands.

# %%
import magnet

made = magnet.synthetic.generate("tiny", seed=0)
dataset = made.dataset
dataset  # noqa: B018 - a cell shows its last line

# %% [markdown]
# Your own data come from frames: `magnet.Dataset.from_frame(taken, features={"text": vectors})`.

# %%
settings = {
    "dim": 16,
    "train": {"epochs": 6, "batch_size": 256, "learning_rate": 5e-3},
    "mixing": {"global_steps": 40, "steps": 60},
    "controller": {"cap": 3, "ramp": 2},
}
model = magnet.Magnet(seed=0, **settings).fit(dataset, progress=False)
model  # noqa: B018

# %% [markdown]
# Always beside a simple model:

# %%
models = {"magnet": model, "ease": magnet.EASE(regularization=50.0).fit(dataset)}
{name: one.evaluate(dataset, "test").metrics["recall@20"] for name, one in models.items()}

# %%
user = dataset.user_ids[0]
top = model.recommend([user], k=5)
print(top)

# %% [markdown]
# Why the first of them? Every score splits into its cues, and into the items that said so.

# %%
print(model.explain(user, top["item_id"][0]).text())

# %%
print(model.explain().text())
