"""Records of a run: folder, checkpoints, metrics, environment, logs, result and model."""
