"""Robustness: attacks, corruptions and shifts, and how arms compare under them."""
