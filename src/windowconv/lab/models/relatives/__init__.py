"""The relatives of windowed kernels that arms have, each by its own paper's definition."""
