"""THE place that reads media files; `media_file` is its door, the other modules are its own."""
