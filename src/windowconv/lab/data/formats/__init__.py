"""The formats in which images come."""
