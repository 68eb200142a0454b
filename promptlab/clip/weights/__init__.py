"""From a name to weights: catalogue, sources, checkpoint files, loading."""
