"""Large-kernel convolution through the frequency domain: exact, and cheaper than a small kernel's direct one."""
