"""Corruptions, filters and shifts: images that were changed without a look at the network."""
