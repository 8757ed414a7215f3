"""What the training loop is fed: splits, batches, augmentation."""
