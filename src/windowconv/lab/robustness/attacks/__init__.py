"""Attacks: what they are, and what came of them, image by image."""
