"""THE place that reads media files; others use `media_file`, `pictures`, `orientation`, `suffixes`."""
