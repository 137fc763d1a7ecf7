"""Named tensors of a checkpoint, taken one by one so that nothing is missing, misshapen or left over."""

import functools
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from wavelane.errors import ErrorCode, WavelaneError


def _itself(tensor: Tensor) -> Tensor:
    return tensor


class Weights:
    """Read access to the tensors of one checkpoint under their canonical names.

    Args:
        names: canonical name to a function that reads the tensor.
    """

    def __init__(self, readers: Mapping[str, Callable[[], Tensor]]) -> None:
        self._readers = readers
        self._taken: set[str] = set()
        self.parameters = 0
        """Numbers taken so far."""

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "Weights":
        """Weights that are in memory already."""
        return cls({name: functools.partial(_itself, tensor) for name, tensor in tensors.items()})

    def __contains__(self, name: str) -> bool:
        return name in self._readers

    def names(self) -> Iterable[str]:
        """Canonical names of all tensors."""
        return self._readers.keys()

    def read(self, name: str) -> Tensor:
        """The tensor as stored, not counted as taken."""
        return self._readers[name]()

    def take(self, name: str, *shape: int) -> Tensor:
        """The tensor ``name`` in float32; dimensions of size 1 may differ from ``shape``.

        Raises:
            WavelaneError: it is missing or has another shape.
        """
        if name not in self._readers:
            raise WavelaneError(
                ErrorCode.MODEL_UNSUPPORTED,
                f"The checkpoint has no weights {name!r}; it is incomplete or of another kind.",
            )
        tensor = self._readers[name]()
        squeezed = tuple(size for size in tensor.shape if size != 1)
        if squeezed != tuple(size for size in shape if size != 1):
            raise WavelaneError(
                ErrorCode.MODEL_UNSUPPORTED,
                f"The weights {name!r} have shape {list(tensor.shape)}, but its configuration asks for {list(shape)}.",
            )
        self._taken.add(name)
        self.parameters += tensor.numel()
        # A copy of our own: what a file was mapped to is not aligned, which costs time and gives other last digits.
        return tensor.to(torch.float32, copy=True).reshape(shape)

    def linear(self, name: str, outputs: int, inputs: int, bias: bool = True) -> tuple[Tensor, Tensor]:
        """Weight [outputs, inputs] and bias [outputs] (zeros where there is none)."""
        weight = self.take(f"{name}.weight", outputs, inputs)
        return weight, self.take(f"{name}.bias", outputs) if bias else torch.zeros(outputs)

    def check_all_taken(self) -> None:
        """Refuse a checkpoint that has weights nobody asked for: its configuration does not describe it.

        Raises:
            WavelaneError: names the first of them.
        """
        left = sorted(set(self._readers) - self._taken)
        if left:
            raise WavelaneError(
                ErrorCode.MODEL_UNSUPPORTED,
                f"The checkpoint has {len(left)} weights that its configuration has no place for, the first is "
                f"{left[0]!r}; it is of another kind than it says.",
            )
