"""Data sources: readers of files and generators of data."""
