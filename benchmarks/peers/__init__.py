"""The libraries with which cygd is compared, one module each."""
