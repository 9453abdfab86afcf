"""The training loop, opened: `magnet.Trainer` with settings, an evaluator and a run folder of your own.

python examples/open_training.py
"""

import tempfile
from pathlib import Path

import magnet
from magnet.evaluate import Evaluation, evaluate


def main() -> None:
    """Train LightGCN, watch every validation, stop it in the middle and go on."""
    dataset = magnet.synthetic.generate("tiny").dataset
    seen: list[float] = []

    def watched(state) -> Evaluation:
        """Validate as Magnet does, and keep what is of interest. Training chooses by recall@20."""
        found = evaluate(state, dataset, "valid", protocol="strict", ks=[10, 20], metrics=["recall", "ndcg"])
        seen.append(found.metrics["ndcg@10"])
        if len(seen) == 3:
            raise KeyboardInterrupt  # what Ctrl-C does
        return found

    # A validation after every step that ends an epoch: after each epoch.
    settings = magnet.TrainConfig(epochs=8, batch_size=256, learning_rate=5e-3, validate_every=1)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        options = {"config": settings, "folder": run, "progress": False, "evaluator": watched}
        try:
            magnet.Trainer(magnet.LightGCN(dim=16, seed=1), dataset, **options).fit()
        except KeyboardInterrupt:
            print(f"stopped after {len(seen) - 1} epochs; the last checkpoint is kept")
        model = magnet.LightGCN(dim=16, seed=1)
        contents = magnet.Trainer(model, dataset, **options, resume=True).fit()
    for event in contents.events:
        print(
            f"epoch {event['epoch']}: loss {event['terms']['loss']:.4f}, recall@20 {event['valid']['recall@20']:.4f}"
        )
    print(contents)


if __name__ == "__main__":
    main()
