"""Settings of a mixture that is over in a moment."""

MIXING = {
    "global_steps": 2,
    "steps": 4,
    "top": 20,
    "random": 10,
    "behaviour": [{"kind": "filter"}],
    "content": [{"kind": "item-knn"}],
}

CONTROLLER = {"cap": 2, "ramp": 1}
