"""Spread, paired intervals, verdicts."""
