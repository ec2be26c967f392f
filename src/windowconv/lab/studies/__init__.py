"""Studies: claims, the runs that test them, and the verdicts; see docs/studies.md."""
