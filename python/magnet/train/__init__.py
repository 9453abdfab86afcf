"""Training: one loop for every model, the tasks it drives, and what a run leaves on disk."""
