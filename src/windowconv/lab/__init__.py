"""The laboratory: train, attack and compare networks, with `windowconv` the library underneath."""
