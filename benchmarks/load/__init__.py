"""People, viewers, uploads and running batches at once, on a site of their own; see `__main__`."""
