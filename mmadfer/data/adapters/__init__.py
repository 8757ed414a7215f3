"""The data sets as distributed: one adapter a file, listed in `sets`; add a data set here."""
