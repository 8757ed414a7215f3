"""The starter weights: from the starter data to the file that the package carries."""
