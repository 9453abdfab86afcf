"""How far a training step is from what the machine can do: counted work beside measured time."""
