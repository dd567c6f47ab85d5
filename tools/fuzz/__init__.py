"""Fuzzing: mutated inputs must be read, or refused with one clear error; no crash, hang or great memory.

    python -m tools.fuzz TARGET --seconds 120 --seed 0
    python -m tools.fuzz TARGET --replay FILE

Every module of this package named in `TARGETS` is a target, with two functions:

    seeds() -> list of bytes                 valid inputs, from which others are made by mutation
    check(data, folder) -> bool              read one input, with files in an empty folder; True: it was
                                             accepted, CygdError: refused, any other exception: a fault

A target may replace the general mutation of bytes with `mutate(data, random)`.
"""
