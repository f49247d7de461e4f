"""revln: retrieval-augmented vision and language over one's own photos."""
