"""MAGNET's second half: signals for each cue, taught on held-out pairs how to be mixed with the backbone."""
