"""Views of the parameters: arrays to write into, which cannot be replaced."""

from __future__ import annotations

from typing import Any, SupportsIndex


class Views(tuple[Any, ...]):
    """The arrays of one kind of parameter, one per layer.

    ``net.biases[0] += 1`` adds in place and then assigns the array to its own place, which is allowed; the
    engine would not see another array.
    """

    name: str

    def __new__(cls, arrays: tuple[Any, ...], name: str) -> Views:
        """Return views with the name that messages give them."""
        views = super().__new__(cls, arrays)
        views.name = name
        return views

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a pickle of the views alone holds."""
        return type(self), (tuple(self), self.name)

    def __setitem__(self, index: SupportsIndex | slice, value: object) -> None:
        """Accept the array that is there after an operation in place; reject another."""
        if not isinstance(index, slice) and self[index] is value:
            return
        place = f"{self.name}[{index}]" if not isinstance(index, slice) else f"a slice of {self.name}"
        example = f"net.{self.name}[{0 if isinstance(index, slice) else index}][...] = values"
        raise TypeError(
            f"{place} does not support item assignment; write into the array: {example}, "
            "or assign all parameters: net.parameters = values"
        )
