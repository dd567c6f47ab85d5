"""Work of each library for the check of its instructions: a step, and what the library says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Work = tuple[Callable[[], Any], str]
SIZE = 256


def _operands() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(SIZE, SIZE)).astype(np.float32), rng.normal(size=(16, 16)).astype(np.float32)


def numpy_product() -> Work:
    """OpenBLAS, at two sizes."""
    a, b = _operands()
    try:
        from threadpoolctl import threadpool_info

        kinds = {info["architecture"] for info in threadpool_info() if info.get("architecture")}
        says = f"OpenBLAS for {', '.join(sorted(kinds))}" if kinds else "-"
    except ImportError:
        says = "-"
    return lambda: (a @ a, b @ b), says


def numpy_functions() -> Work:
    """NumPy's own loops."""
    from numpy._core import _multiarray_umath as umath

    a, _ = _operands()
    used = [feature for feature in umath.__cpu_dispatch__ if umath.__cpu_features__[feature]]
    return lambda: (np.exp(a), np.tanh(a), a + a, a.sum()), f"features {', '.join(used)}"


def torch_product() -> Work:
    """MKL and oneDNN, at two sizes, and a step of training."""
    import torch

    a, b = (torch.from_numpy(x) for x in _operands())
    layer = torch.nn.Linear(SIZE, 10)

    def step() -> None:
        torch.mm(a, a)
        torch.mm(b, b)
        layer(a).sum().backward()

    return step, f"CPU capability {torch.backends.cpu.get_cpu_capability()}"


def torch_functions() -> Work:
    """PyTorch's own loops, and a fused optimizer."""
    import torch

    a = torch.from_numpy(_operands()[0])
    w = a.clone().requires_grad_()
    w.grad = torch.ones_like(w)
    adam = torch.optim.Adam([w], fused=True)

    def step() -> None:
        torch.tanh(a)
        torch.exp(a).sum()
        adam.step()

    return step, f"CPU capability {torch.backends.cpu.get_cpu_capability()}"


def torch_compiled() -> Work:
    """Code that torch.compile generates."""
    import torch
    from torch._inductor.cpu_vec_isa import pick_vec_isa

    f = torch.compile(lambda a: torch.tanh(a) * a + 1)
    a = torch.from_numpy(_operands()[0])
    return lambda: f(a), f"vectors of {pick_vec_isa()}"


def jax_product() -> Work:
    """XLA's products, at two sizes."""
    import jax

    f = jax.jit(lambda a, b: (a @ a, a.T @ a, b @ b))
    a, b = (jax.numpy.asarray(x) for x in _operands())
    return lambda: jax.block_until_ready(f(a, b)), "-"


def jax_functions() -> Work:
    """Code that XLA generates."""
    import jax
    import jax.numpy as jnp

    f = jax.jit(lambda a: (jnp.tanh(a), jnp.exp(a).sum(), a * a + 1))
    a = jnp.asarray(_operands()[0])
    return lambda: jax.block_until_ready(f(a)), "-"


def numba_loop() -> Work:
    """A loop that Numba compiles."""
    import numba

    @numba.njit(fastmath=True)  # type: ignore[untyped-decorator,unused-ignore]
    def total(x: Any) -> Any:
        s = x[0] * 0
        for k in range(x.size):
            s += x[k] * x[k]
        return s

    flat = _operands()[0].ravel()
    return lambda: total(flat), f"CPU {numba.config.CPU_NAME or 'of the host'}"


def cygd_network() -> Work:
    """Epochs of a small network."""
    from cygd import Network
    from cygd.core import dispatch

    x, _ = _operands()
    network = Network(SIZE, [(32, "tanh"), (1, "identity")], loss="mse", dtype="float32", seed=0)
    return lambda: network.fit(x, x[:, :1], epochs=1, threads=1), f"CPU level {dispatch.level()}"


WORKS: dict[str, Callable[[], Work]] = {
    "NumPy, product": numpy_product,
    "NumPy, functions": numpy_functions,
    "PyTorch, product": torch_product,
    "PyTorch, functions": torch_functions,
    "torch.compile": torch_compiled,
    "JAX, product": jax_product,
    "JAX, functions": jax_functions,
    "Numba": numba_loop,
    "cygd": cygd_network,
}
