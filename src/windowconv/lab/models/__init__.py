"""Networks by name, and what brings them into an arm."""
