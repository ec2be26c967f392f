"""A run's network as a file for use elsewhere."""
