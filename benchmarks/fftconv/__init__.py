"""FFT convolution against torch's own: speed, error and memory."""
