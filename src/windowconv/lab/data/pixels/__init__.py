"""What is done to pixels: decoding, crops, augmentation."""
