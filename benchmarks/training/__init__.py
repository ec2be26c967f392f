"""Training throughput and memory against a bare loop and torchvision's loading."""
