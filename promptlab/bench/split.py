"""Where a step's time goes, by torch's profiler."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile

from promptlab.bench.timing import wait

KINDS = ("products", "attention", "elementwise", "moving", "overhead")
"""Products with weights; scores, softmax and weighted values; norms, activations and sums; copies that arrange tokens;
and the rest: views, memory, autograd, Python."""

_OPS = {
    "products": "addmm mm linear _addmm_activation",
    "attention": "bmm baddbmm _softmax _softmax_backward_data",
    "elementwise": """add add_ sub mul mul_ div div_ neg exp silu silu_backward gelu gelu_backward sigmoid
        sigmoid_backward native_layer_norm native_layer_norm_backward sum mean norm linalg_vector_norm pow square relu
        threshold_backward _log_softmax _log_softmax_backward_data nll_loss_forward nll_loss_backward clamp_min sqrt
        triu fill_ zero_ addcmul_ addcdiv_ lerp_ normal_ masked_fill_ ge where""",
    "moving": """copy_ cat index index_put_ _index_put_impl_ index_select index_copy_ index_add_ gather embedding
        select_backward slice_backward arange sort argsort""",
}
KIND_OF = {f"aten::{op}": kind for kind, ops in _OPS.items() for op in ops.split()}


def split_of(step: Callable[[], object], repeats: int, device: torch.device) -> dict[str, float]:
    """Shares of a step's time, by kind; they sum to 1.

    Args:
        step: what runs; once untimed first.
        repeats: how often it is profiled.
        device: where it runs; on a GPU the times of its kernels count.
    """
    step()
    cuda = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities, acc_events=True) as profiler:
        wait(device)
        start = time.perf_counter()
        for _ in range(repeats):
            step()
        wait(device)
        wall = 1e6 * (time.perf_counter() - start)
    shares = dict.fromkeys(KINDS, 0.0)
    for event in profiler.key_averages():
        own = event.self_device_time_total if cuda else event.self_cpu_time_total
        kind = "attention" if "scaled_dot_product" in event.key else KIND_OF.get(event.key, "overhead")
        shares[kind] += 0.0 if kind == "overhead" else own / wall
    shares["overhead"] = max(0.0, 1.0 - sum(shares.values()))
    return shares
