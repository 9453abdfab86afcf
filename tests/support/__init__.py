"""Small worlds and data that several tests use."""
