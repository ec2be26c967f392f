"""Corruptions, filters and shifts: images that were changed without a look at the network."""

from windowconv.lab.robustness.conditions.catalogue import conditions as conditions
