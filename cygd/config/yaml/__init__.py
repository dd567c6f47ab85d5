"""YAML with the place of every value: reading, scalars by the rules of YAML 1.2, writing."""
