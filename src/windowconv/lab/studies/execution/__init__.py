"""How a study is run."""
