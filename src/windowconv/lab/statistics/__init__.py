"""Statistics over seeds: spread, paired intervals, tests, verdicts."""
