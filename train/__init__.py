"""Preparing data sets, fine-tuning and evaluation."""
