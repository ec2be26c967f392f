"""What `set_algorithm` would gain for a network on this machine: `windowconv benchmark`."""
