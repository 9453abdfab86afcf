"""A run on disk: its folder, its contents, its checkpoints and events, and ids as JSON."""
