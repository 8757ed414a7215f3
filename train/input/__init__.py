"""What the training loop is fed; others use `splits`, `batches`, `loaders`, `augment`."""
