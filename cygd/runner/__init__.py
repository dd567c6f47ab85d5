"""Running experiments: `assembly` reads and builds, `runner` runs and resumes, `loading` loads models."""
