"""A pretended device: tensors say that they are elsewhere, and what a real one would refuse or wait for is noticed.

Its device is ``meta`` by name. A tensor on it wraps a CPU tensor with the real numbers, so that everything computed is
right. Operations that mix it with the CPU raise as CUDA would; reads of a value by the host and copies between the two
that block are recorded with the line of promptlab that asked.
"""

import os
import traceback
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
CPU = torch.device("cpu")
_PACKAGE = Path(__file__).resolve().parents[2] / "promptlab"
_READS = {"_local_scalar_dense", "equal", "nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive",
          "is_nonzero"}  # fmt: skip
_COPIES = {"_to_copy", "copy_"}
_MASKED = {"index", "index_put", "index_put_", "_unsafe_index"}


class Elsewhere(torch.Tensor):
    """A tensor on the pretended device."""

    @staticmethod
    def __new__(cls, real):
        return torch.Tensor._make_wrapper_subclass(
            cls, real.shape, strides=real.stride(), storage_offset=real.storage_offset(), dtype=real.dtype,
            device=DEVICE, requires_grad=False,
        )  # fmt: skip

    def __init__(self, real):
        self.numbers = real

    __torch_function__ = torch._C._disabled_torch_function_impl

    def __repr__(self, *, tensor_contents=None):
        return f"Elsewhere({self.numbers})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise AssertionError(f"{func} on the pretended device, outside of it")


class PretendedDevice(TorchDispatchMode):
    """Runs what concerns the device on the CPU, while the block lasts.

    ``reads`` and ``blocking`` count, by line of promptlab, reads of values by the host and copies to the device that
    wait, as long as :meth:`watched` lasts.
    """

    def __init__(self):
        super().__init__()
        self.reads, self.blocking, self._watching = Counter(), Counter(), False

    @contextmanager
    def watched(self):
        """Count here."""
        before, self._watching = self._watching, True
        try:
            yield
        finally:
            self._watching = before

    def __enter__(self):
        self._made = _Made(self)
        self._made.__enter__()
        return super().__enter__()

    def __exit__(self, *raised):
        super().__exit__(*raised)
        self._made.__exit__(*raised)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        flat, _ = tree_flatten((args, kwargs))
        elsewhere = any(isinstance(one, Elsewhere) for one in flat)
        target = kwargs.get("device")
        target = None if target is None else torch.device(target)
        if not elsewhere and target != DEVICE:
            return func(*args, **kwargs)
        name = func.overloadpacket.__name__
        if target == DEVICE:
            kwargs["device"] = CPU
        kwargs.pop("pin_memory", None)
        self._look_at(name, flat, elsewhere, target, kwargs)
        found = func(*tree_map(_real, args), **tree_map(_real, kwargs))
        if func._schema.is_mutable:  # in place, or into what was given
            return args[0] if func._schema.arguments[0].alias_info is not None else kwargs.get("out", found)
        if elsewhere and target is not None and target != DEVICE:
            return found
        return tree_map(lambda one: Elsewhere(one) if isinstance(one, torch.Tensor) else one, found)

    def _look_at(self, name, flat, elsewhere, target, kwargs):
        here = [one for one in flat if isinstance(one, torch.Tensor) and not isinstance(one, Elsewhere) and one.ndim]
        if name in _COPIES:
            if elsewhere and target is not None and target != DEVICE:
                self.count(self.reads, name)
            elif (here or not elsewhere) and not (kwargs.get("non_blocking") or flat[-1] is True):  # copy_'s own third
                self.count(self.blocking, name)
            return
        if name in _READS:
            self.count(self.reads, name)
        if name in _MASKED and any(isinstance(one, torch.Tensor) and one.dtype == torch.bool for one in flat[1:]):
            self.count(self.reads, f"{name} by a mask")
        if elsewhere and here:
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, found some on the CPU")

    def count(self, counter, name):
        """Note a line of promptlab, while it is watched."""
        if self._watching:
            counter[f"{name} at {_line()}"] += 1


class _Made(TorchFunctionMode):
    """Tensors made of Python's numbers, which torch itself would leave empty on such a device."""

    def __init__(self, device):
        super().__init__()
        self.device = device

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and torch.device(kwargs.get("device") or CPU) == DEVICE:
            self.device.count(self.device.blocking, func.__name__)
            return Elsewhere(func(*args, **(kwargs | {"device": CPU})))
        if func in (torch.Tensor.tolist, torch.Tensor.numpy) and isinstance(args[0], Elsewhere):
            self.device.count(self.device.reads, func.__name__)
            return func(args[0].numbers, *args[1:], **kwargs)
        if func == torch.Tensor.data.__set__ and isinstance(args[1], Elsewhere):
            args[0].numbers = args[1].numbers
        return func(*args, **kwargs)


def _real(one):
    return one.numbers if isinstance(one, Elsewhere) else one


def _line():
    """The innermost line of promptlab that is being run."""
    frames = [frame for frame in traceback.extract_stack() if Path(frame.filename).is_relative_to(_PACKAGE)]
    return f"{os.path.relpath(frames[-1].filename, _PACKAGE)}:{frames[-1].lineno}" if frames else "a test"
