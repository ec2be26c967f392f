"""`windowconv inspect`: open a network, measure it, and report it as text, a page and JSON."""
