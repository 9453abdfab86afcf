"""Experts that mix scores: what each takes of the cues, who decides, and what teaches them."""
