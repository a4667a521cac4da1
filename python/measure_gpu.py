#!/usr/bin/env python3
"""Measure what one accelerator reaches: for whoever has the machine but no serving logs yet.

    python python/measure_gpu.py --out gpu.json
    tokenfleet calibrate gpu.json --pool main --scenario my.toml

Times matrix products by precision and size, attention over a cache and over a prompt, copies in
memory, launches, and all-reduces where several GPUs are there, with PyTorch alone: CUDA, ROCm, or the
CPU (where the figures say nothing but that the script runs). Every time is the median of repeats after
a warm-up, between device events. Nothing is sent anywhere.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit("PyTorch is needed: https://pytorch.org/get-started/locally/")

VERSION = 1


class Device:
    """One device and its clock."""

    def __init__(self, name, repeats):
        self.device = torch.device(name)
        self.repeats = repeats
        self.on_gpu = self.device.type == "cuda"

    def describe(self):
        if not self.on_gpu:
            return {"name": "cpu", "backend": "cpu", "count": 1}
        backend = "rocm" if torch.version.hip else "cuda"
        properties = torch.cuda.get_device_properties(self.device)
        return {
            "name": properties.name,
            "backend": backend,
            "count": torch.cuda.device_count(),
            "memory_bytes": properties.total_memory,
        }

    def seconds(self, work, inner=1):
        """Median seconds of one call of `work`, which is called `inner` times between two events."""
        for _ in range(3):
            work()
        times = []
        for _ in range(self.repeats):
            if self.on_gpu:
                start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                torch.cuda.synchronize(self.device)
                start.record()
                for _ in range(inner):
                    work()
                end.record()
                torch.cuda.synchronize(self.device)
                times.append(start.elapsed_time(end) * 1e-3 / inner)
            else:
                begun = time.perf_counter()
                for _ in range(inner):
                    work()
                times.append((time.perf_counter() - begun) / inner)
        return statistics.median(times)


def gemms(device, small):
    """Products of `m` tokens with a weight of `n` x `k`, as linear layers have them."""
    weights = [(256, 256)] if small else [(8192, 8192), (28672, 8192), (4096, 14336)]
    tokens = [1, 16] if small else [1, 16, 64, 256, 1024, 4096]
    for n, k in weights:
        for precision in ("bf16", "fp8"):
            for m in tokens:
                work = product(device, precision, m, n, k)
                if work is None:
                    continue
                seconds = device.seconds(work, inner=1 if small else 10)
                width = 2 if precision == "bf16" else 1
                yield {
                    "kind": "gemm",
                    "precision": precision,
                    "m": m,
                    "n": n,
                    "k": k,
                    "flops": 2 * m * n * k,
                    "bytes": width * (n * k + m * k) + 2 * m * n,
                    "seconds": seconds,
                }


def product(device, precision, m, n, k):
    """A product to be timed; none where the device cannot."""
    a = torch.randn(m, k, device=device.device, dtype=torch.bfloat16)
    # Enough weights that none of them is found in a cache.
    copies = 1 if not device.on_gpu else max(2, math.ceil(512e6 / (2 * n * k)))
    weights = [
        torch.randn(n, k, device=device.device, dtype=torch.bfloat16) for _ in range(copies)
    ]
    turn = [0]

    def next_weight():
        turn[0] = (turn[0] + 1) % copies
        return weights[turn[0]]

    if precision == "bf16":
        return lambda: F.linear(a, next_weight())
    dtype = getattr(torch, "float8_e4m3fn", None)
    if not device.on_gpu or dtype is None or m % 16:
        return None
    if torch.version.hip and torch.cuda.get_device_properties(device.device).gcnArchName.startswith("gfx94"):
        dtype = torch.float8_e4m3fnuz
    try:
        weights = [weight.to(dtype).t() for weight in weights]
        narrow = a.to(dtype)
        one = torch.ones((), device=device.device)

        def work():
            return torch._scaled_mm(narrow, next_weight(), one, one, out_dtype=torch.bfloat16)

        work()
        return work
    except (RuntimeError, AttributeError, TypeError):
        return None


def attention(device, small):
    """Attention over a cache (one new token for each request) and over a prompt."""
    heads, kv_heads, size = (4, 2, 32) if small else (32, 8, 128)
    half = torch.bfloat16
    cached = [(2, 64)] if small else [(1, 32768), (16, 4096), (64, 2048), (128, 2048)]
    for batch, context in cached:
        q = torch.randn(batch, heads, 1, size, device=device.device, dtype=half)
        k, v = (
            torch.randn(batch, kv_heads, context, size, device=device.device, dtype=half)
            for _ in range(2)
        )
        # Query heads that share keys are rows of one product: keys and values are read once.
        grouped = q.view(batch, kv_heads, heads // kv_heads, size)
        seconds = device.seconds(lambda: F.scaled_dot_product_attention(grouped, k, v))
        yield {
            "kind": "decode_attention",
            "batch": batch,
            "context": context,
            "bytes": 2 * 2 * batch * kv_heads * context * size,
            "flops": 4 * batch * heads * context * size,
            "seconds": seconds,
        }
    for tokens in [64] if small else [1024, 4096, 8192]:
        q, k, v = (
            torch.randn(1, heads, tokens, size, device=device.device, dtype=half) for _ in range(3)
        )
        seconds = device.seconds(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True))
        yield {
            "kind": "prefill_attention",
            "tokens": tokens,
            "flops": 2 * heads * tokens * tokens * size,
            "seconds": seconds,
        }


def copies(device, small):
    """Copies within memory: read once, written once."""
    for count in [1 << 16] if small else [1 << 28, 1 << 30]:
        source = torch.empty(count, device=device.device, dtype=torch.uint8)
        target = torch.empty_like(source)
        seconds = device.seconds(lambda: target.copy_(source))
        yield {"kind": "copy", "bytes": 2 * count, "seconds": seconds}


def launches(device, small):
    """Kernels that do next to nothing: one by one, and replayed from a captured graph."""
    count = 20 if small else 200
    x = torch.zeros(64, device=device.device)

    def work():
        for _ in range(count):
            x.add_(1.0)

    yield {"kind": "launch", "how": "one by one", "seconds": device.seconds(work) / count}
    if not device.on_gpu:
        return
    try:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            work()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        yield {"kind": "launch", "how": "graph", "seconds": device.seconds(graph.replay) / count}
    except RuntimeError as error:
        print(f"no captured graphs here: {error}", file=sys.stderr)


def all_reduce_rank(rank, ranks, sizes, repeats, path):
    """One rank of the all-reduces; the first writes what it measured."""
    import torch.distributed as dist

    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29511")
    torch.cuda.set_device(rank)
    dist.init_process_group("nccl", rank=rank, world_size=ranks)
    device = Device(f"cuda:{rank}", repeats)
    found = []
    for size in sizes:
        x = torch.ones(size // 2, device=device.device, dtype=torch.bfloat16)
        seconds = device.seconds(lambda: dist.all_reduce(x), inner=20)
        found.append({"kind": "all_reduce", "ranks": ranks, "bytes": size, "seconds": seconds})
    dist.destroy_process_group()
    if rank == 0:
        with open(path, "w", encoding="utf-8") as out:
            json.dump(found, out)


def all_reduces(repeats):
    """Sums over 2, 4 and 8 GPUs, where there are as many."""
    import tempfile

    import torch.multiprocessing as mp

    sizes = [16 << 10, 256 << 10, 4 << 20, 64 << 20]
    for ranks in (n for n in (2, 4, 8) if n <= torch.cuda.device_count()):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "found.json")
            mp.spawn(all_reduce_rank, args=(ranks, sizes, repeats, path), nprocs=ranks)
            with open(path, encoding="utf-8") as found:
                yield from json.load(found)


def measure(name, repeats, small):
    """All measurements of a device, as they are written."""
    device = Device(name, repeats)
    found = []
    with torch.inference_mode():
        for part in (gemms, attention, copies, launches):
            for measurement in part(device, small):
                found.append(measurement)
                print(f"  {measurement}", file=sys.stderr)
    if device.on_gpu and torch.cuda.device_count() > 1:
        found.extend(all_reduces(repeats))
    return {
        "measure_gpu": VERSION,
        "device": device.describe(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "measurements": found,
    }


def main():
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    default = "cuda:0" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, help="cuda:0, cpu; %(default)s here")
    parser.add_argument("--repeats", type=int, default=20, help="of each measurement")
    parser.add_argument("--small", action="store_true", help="sizes for trying the script out")
    parser.add_argument("--out", default="gpu.json", help="where to write, %(default)s")
    arguments = parser.parse_args()
    small = arguments.small or arguments.device == "cpu"
    found = measure(arguments.device, arguments.repeats, small)
    with open(arguments.out, "w", encoding="utf-8") as out:
        json.dump(found, out, indent=1)
        out.write("\n")
    print(f"{len(found['measurements'])} measurements written to {arguments.out}")


if __name__ == "__main__":
    main()
