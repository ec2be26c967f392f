"""How a study is carried out."""
