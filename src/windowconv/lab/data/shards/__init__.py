"""Images in tar shards: WebDataset's layout, on disk or behind a URL."""
