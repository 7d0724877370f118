"""What `lightning evaluate` does: samples that all measures share, one file per measure, and their reports."""
