"""The commands of `cygd` that fill a file of their own, and how every command talks."""
