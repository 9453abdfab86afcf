"""The graphs of real features, against published ones and figures that were computed elsewhere."""

import numpy as np
import pytest

from magnet import graph
from oracles import graph as oracles
from support.graph_data import same_bits


@pytest.mark.parametrize(("modality", "agreement"), [("image", 0.995), ("text", 0.9998)])
def test_baby_agrees_with_the_graph_of_its_original_features(real_data, modality, agreement):
    features = np.load(real_data / "baby" / f"{modality}_recon128.npy")
    published = np.load(real_data / "baby" / f"{modality}_knn10.npz")["idx"]  # each row itself among them
    found = graph.knn_graph(features, 9)
    same = sum(
        np.isin(found.indices[found.indptr[i] : found.indptr[i + 1]], published[i]).sum() for i in range(7050)
    )
    assert same / found.nnz >= agreement


def test_features_with_nearly_equal_cosines_are_solved_exactly(real_data):
    # Whisper's cosines are all near .98, so that the filter can hardly tell them apart.
    features = np.load(real_data / "lfm2k" / "audio_whisper.npy")
    assert same_bits(graph.knn_graph(features, 10), oracles.knn(features.astype(np.float32), 10))


def test_lift_of_baby(real_data):
    pairs = np.loadtxt(real_data / "baby" / "inter.tsv", dtype=np.int32, skiprows=1)
    users, items = pairs[pairs[:, 3] == 0, :2].T
    train = graph.interactions(users, items, (19445, 7050))
    assert train.nnz == 118_551
    lifts = []
    for modality in ("image", "text"):
        features = np.load(real_data / "baby" / f"{modality}_recon128.npy")
        lifts.append(graph.lift(train, graph.knn_graph(features, 10)))
    assert graph.lift_weights(lifts) == pytest.approx([0.27, 0.73], abs=0.005)
