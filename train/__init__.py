"""Preparing data sets, fine-tuning and evaluation; others use any of it."""
