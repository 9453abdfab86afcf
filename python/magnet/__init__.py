"""Multimodal recommendation with a mixture of graph experts."""
