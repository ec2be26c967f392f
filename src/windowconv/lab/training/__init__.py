"""Training: the loop, its step, and everything that they need."""
