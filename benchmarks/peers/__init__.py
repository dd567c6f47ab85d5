"""The libraries that cygd is compared with, each in a module of its own."""
