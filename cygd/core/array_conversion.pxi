# From what people pass to what a kernel takes, and back: dtypes, shapes, memory, row-wise layouts.

def real_array(value, name):
    """Return a value as an array of float32 or float64, or raise a TypeError that names it."""
    if value is None:
        raise TypeError(f"{name}: expected an array, got None")
    # NumPy imports this module when somebody asks for it: where nobody has, nothing is masked
    if "numpy.ma" in sys.modules and isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: masked arrays are not supported; fill it first ({name}.filled(...))")
    array = np.asarray(value)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f" and size <= 8:
        return array if size > 2 else array.astype(np.float32)
    if kind == "f" or kind in "iub":
        return array.astype(np.float64)
    raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")


cdef object alike(dict arrays):
    """Return the module of the arrays' common dtype, and the arrays in it, C-contiguous."""
    found = {name: real_array(value, name) for name, value in arrays.items()}
    dtype = np.float32 if all(array.dtype.itemsize == 4 for array in found.values()) else np.float64
    module = _f32 if dtype is np.float32 else _f64
    ready = [np.require(array, dtype, ["C", "A"]) for array in found.values()]
    for name, array in zip(found, ready):
        if array.ndim > 2:
            raise ValueError(f"{name}: expected one or two dimensions, got {array.ndim}")
    return module, ready


cdef same_shape(str first, a, str second, b):
    if a.shape != b.shape:
        raise ValueError(f"{first} has shape {a.shape}, {second} has shape {b.shape}: they must be equal")


cdef object right_hand(b):
    """Return a matrix with its rows padded to whole lines, as the product reads them."""
    width = LINE // b.dtype.itemsize
    columns = -(-b.shape[1] // width) * width
    if columns == b.shape[1]:
        return np.ascontiguousarray(b)
    padded = np.zeros((b.shape[0], columns), b.dtype)
    padded[:, :b.shape[1]] = b
    return padded


cdef object into(out, result, arrays):
    """Write a result into `out`, after checking that it may be written there."""
    if out is None:
        return result[()]
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: expected an array, got {type(out).__name__}")
    if out.shape != result.shape or out.dtype != result.dtype:
        raise ValueError(f"out has shape {out.shape} and dtype {out.dtype}, "
                         f"expected {result.shape} and {result.dtype}")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    for array in arrays:
        if array is not out and isinstance(array, np.ndarray) and np.shares_memory(array, out) \
                and not same_memory(array, out):
            raise ValueError("out overlaps the input: give the input itself, or separate memory")
    np.copyto(out, result)
    return out


cdef bint same_memory(a, b):
    return (a.__array_interface__["data"][0] == b.__array_interface__["data"][0]
            and a.shape == b.shape and a.strides == b.strides)


cdef object values_of(name, module, parameters):
    """Return an activation's parameters in the order of its row, or None for the defaults."""
    rows = {row["name"]: row for row in module.names()["activations"]}
    if name not in rows:
        raise ValueError(f"unknown activation {name!r}: one of {', '.join(sorted(rows))}")
    if not parameters:
        return None
    known = rows[name]["parameters"]
    for key in parameters:
        if key not in known:
            raise ValueError(f"activation {name!r} has no parameter {key!r}")
    return [float(parameters.get(key, default)) for key, default in known.items()]


cdef bint is_rowwise(name, module):
    return any(row["name"] == name and row["rowwise"] for row in module.names()["activations"])


cdef object columns_of(array, module):
    """Return rows as a block units x rows, the rows padded by copies of the last one."""
    width = LINE // array.dtype.itemsize
    n, units = array.shape
    block = np.empty((units, -(-n // width) * width), array.dtype)
    block[:, :n] = array.T
    block[:, n:] = array[-1:].T
    return block


cdef object evaluated(module, h, name, parameters):
    """Return f(h) in the shape of h."""
    values = values_of(name, module, parameters)
    out = np.empty_like(h)
    if h.size == 0:
        return out
    if not is_rowwise(name, module):
        module.block("activation", name, h.reshape(-1), out.reshape(-1), values)
        return out
    rows = h.reshape(1, -1) if h.ndim < 2 else h
    block = columns_of(rows, module)
    module.rowwise(name, block, block)
    return np.ascontiguousarray(block[:, :len(rows)].T).reshape(h.shape)


cdef object slope(module, h, name, parameters):
    """Return f'(h) in the shape of h."""
    values = values_of(name, module, parameters)
    if is_rowwise(name, module):
        raise ValueError(
            f"{name} has no elementwise derivative: every output depends on every net input of its "
            "row; error_term and hidden_error_term use its Jacobian"
        )
    out = np.empty_like(h)
    if h.size:
        y_hat = np.empty_like(h)
        module.block("activation", name, h.reshape(-1), y_hat.reshape(-1), values)
        module.derivative_block(name, h.reshape(-1), y_hat.reshape(-1), out.reshape(-1), values)
    return out


cdef object backward(module, h, y_hat, g, name):
    """Return g through f at h: g * f'(h), or the rows' Jacobian times g."""
    if not is_rowwise(name, module):
        out = slope(module, h, name, None)
        module.multiply(g.reshape(-1), out.reshape(-1), out.reshape(-1))
        return out
    if not h.size:
        return np.empty_like(h)
    rows = h.reshape(1, -1) if h.ndim < 2 else h
    blocks = [columns_of(a.reshape(rows.shape), module) for a in (rows, y_hat, g)]
    delta = np.empty_like(blocks[0])
    module.rowwise_backward(name, *blocks, delta)
    return np.ascontiguousarray(delta[:, :len(rows)].T).reshape(h.shape)


cdef object transformed(module, x, w, b):
    """Return x w + b for x (n, n_inputs), w (n_inputs, n_outputs), b (n_outputs) or None."""
    h = np.zeros((x.shape[0], w.shape[1]), x.dtype) if b is None else \
        np.ascontiguousarray(np.broadcast_to(b, (x.shape[0], w.shape[1])))
    if x.shape[1] and h.size:
        if not h.flags.writeable:
            h = h.copy()
        module.matrix_product(x, right_hand(w), h, True)
    return h
