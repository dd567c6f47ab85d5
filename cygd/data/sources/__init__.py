"""The loaders of the built-in data sources: readers of files and generators of data."""
