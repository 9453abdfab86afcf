"""Input that nobody should write and somebody does, one line a case."""
