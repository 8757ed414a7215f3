"""Recordings of live runs, and what is made of them: reports, files of other programs; others use any of it."""
