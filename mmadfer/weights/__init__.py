"""All about one file of weights: its name, where it comes from, how it is read; `store` finds them by name."""
