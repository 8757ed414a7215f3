"""The web server and the page on it; others use `server`, `panel`, `admission`, `results_access`, `proxied`."""
