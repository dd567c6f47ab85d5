"""The commands, one module each: USAGE, declare(parser), run(options)."""
