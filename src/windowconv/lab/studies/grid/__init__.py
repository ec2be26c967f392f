"""Grids of arms and seeds without a claim."""
