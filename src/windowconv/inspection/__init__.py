"""`windowconv inspect`: open a network, measure it, and say it in words, a page and JSON."""
