"""One file of weights: its name, origin, reading; others use `store`, `catalogue`, `checkpoint`, `lazy`, `starter`."""
