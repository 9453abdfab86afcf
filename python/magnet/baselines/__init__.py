"""Models that a new one has to beat, each in a file of its own and fitted by the same call."""
