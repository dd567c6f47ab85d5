"""Pages that show what runs and sweeps learned."""
