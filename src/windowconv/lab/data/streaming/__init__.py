"""Images that are read from disk while a network trains."""
