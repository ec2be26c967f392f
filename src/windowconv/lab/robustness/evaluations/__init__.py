"""The evaluations of robustness: what is measured, and how it is shown."""
