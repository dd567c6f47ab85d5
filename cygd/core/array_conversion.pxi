# Conversion between the arrays that callers pass and the arrays that kernels take: dtypes, shapes, memory
# layouts, and blocks for row-wise activations.

cdef enum:
    MAX_DEPTH = 3  # of lists that may be two-dimensional


# arrays in ----------------------------------------------------------------------------------------

def real_array(value, name):
    """Return a value as a float32 or float64 array, or raise a TypeError that names the argument."""
    if value is None:
        raise TypeError(f"{name}: expected an array, got None")
    if is_masked(value):
        raise TypeError(f"{name}: masked arrays are not supported; fill it first ({name}.filled(...))")
    array = np.asarray(value)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f" and size <= 8:
        return array if size > 2 else array.astype(np.float32)
    if kind == "f" or kind in "iub":
        return array.astype(np.float64)
    if kind == "O" and hasattr(value, "toarray"):
        raise TypeError(f"{name}: sparse matrices are not supported; make it dense ({name}.toarray())")
    raise TypeError(f"{name}: expected real numbers, got dtype {array.dtype}")


def is_masked(value):
    """Return True for a masked array, and for a list with one in it, whose values NumPy would unmask."""
    # numpy.ma is imported on first use: before that no array is masked, also while another thread imports it
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", None)
    return masked is not None and contains(value, masked, MAX_DEPTH)


cdef bint contains(value, type kind, int depth) except -1:
    """Return True if a value, or one in nested lists, is of a type."""
    if isinstance(value, kind):
        return True
    if depth and isinstance(value, (list, tuple)):
        for item in value:
            if contains(item, kind, depth - 1):
                return True
    return False


cdef object to_common_dtype(dict arrays):
    """Return the module of the arrays' common dtype, and the arrays in this dtype, C-contiguous."""
    converted = {name: real_array(value, name) for name, value in arrays.items()}
    dtype = np.float32 if all(array.dtype.itemsize == 4 for array in converted.values()) else np.float64
    module = _f32 if dtype is np.float32 else _f64
    contiguous = [np.require(array, dtype, ["C", "A"]) for array in converted.values()]
    for name, array in zip(converted, contiguous):
        if array.ndim > 2:
            raise ValueError(f"{name}: expected one or two dimensions, got {array.ndim}")
    return module, contiguous


cdef check_same_shape(str first, a, str second, b):
    if a.shape != b.shape:
        raise ValueError(f"{first} has shape {a.shape}, {second} has shape {b.shape}: they must be equal")


cdef object pad_columns(b):
    """Return a right-hand matrix with its rows padded to whole cache lines, as matmul expects."""
    width = LINE // b.dtype.itemsize
    columns = -(-b.shape[1] // width) * width
    if columns == b.shape[1]:
        return np.ascontiguousarray(b)
    padded = np.zeros((b.shape[0], columns), b.dtype)
    padded[:, :b.shape[1]] = b
    return padded


cdef object to_block(array, module):
    """Return rows (n, units) as a block (units, rows), padded with copies of the last row."""
    width = LINE // array.dtype.itemsize
    n, units = array.shape
    block = np.empty((units, -(-n // width) * width), array.dtype)
    block[:, :n] = array.T
    block[:, n:] = array[-1:].T
    return block


# results out --------------------------------------------------------------------------------------

cdef object from_block(block, n, shape):
    """Return the first n rows of a block (units, rows), in the given shape."""
    return np.ascontiguousarray(block[:, :n].T).reshape(shape)


cdef object write_out(out, result, arrays):
    """Return the result, written to `out` if given; `out` must not partly overlap an input."""
    if out is None:
        return result[()]
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: expected an array, got {type(out).__name__}")
    if out.shape != result.shape or out.dtype != result.dtype:
        raise ValueError(f"out has shape {out.shape} and dtype {out.dtype}, "
                         f"expected {result.shape} and {result.dtype}")
    if is_masked(out):
        raise TypeError("out: masked arrays are not supported")
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    for array in arrays:
        if array is not out and isinstance(array, np.ndarray) and np.shares_memory(array, out) \
                and not is_same_view(array, out):
            raise ValueError("out overlaps the input: pass the input itself, or separate memory")
    np.copyto(out, result)
    return out


cdef bint is_same_view(a, b):
    """Return True if two arrays are the same view of the same memory."""
    return (a.__array_interface__["data"][0] == b.__array_interface__["data"][0]
            and a.shape == b.shape and a.strides == b.strides)


# the equations over converted arrays --------------------------------------------------------------

cdef object parameter_values(name, module, parameters):
    """Return an activation's parameters in the order of its table entry, or None for the defaults."""
    entries = {entry["name"]: entry for entry in module.names()["activations"]}
    if name not in entries:
        raise ValueError(f"unknown activation {name!r}: one of {', '.join(sorted(entries))}")
    if not parameters:
        return None
    known = entries[name]["parameters"]
    for key in parameters:
        if key not in known:
            raise ValueError(f"activation {name!r} has no parameter {key!r}")
    return [float(parameters.get(key, default)) for key, default in known.items()]


cdef bint is_rowwise(name, module):
    return any(entry["name"] == name and entry["rowwise"] for entry in module.names()["activations"])


cdef object affine(module, x, w, b):
    """Return x w + b for x (n, n_inputs), w (n_inputs, n_outputs), b (n_outputs) or None."""
    h = np.zeros((x.shape[0], w.shape[1]), x.dtype) if b is None else \
        np.ascontiguousarray(np.broadcast_to(b, (x.shape[0], w.shape[1])))
    if x.shape[1] and h.size:
        if not h.flags.writeable:
            h = h.copy()
        module.matmul(x, pad_columns(w), h, True)
    return h


cdef object activation_value(module, h, name, parameters):
    """Return f(h) in the shape of h."""
    values = parameter_values(name, module, parameters)
    out = np.empty_like(h)
    if h.size == 0:
        return out
    if not is_rowwise(name, module):
        module.block("activation", name, h.reshape(-1), out.reshape(-1), values)
        return out
    rows = h.reshape(1, -1) if h.ndim < 2 else h
    block = to_block(rows, module)
    module.rowwise(name, block, block)
    return from_block(block, len(rows), h.shape)


cdef object activation_derivative(module, h, name, parameters):
    """Return f'(h) in the shape of h."""
    values = parameter_values(name, module, parameters)
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


cdef object backprop_activation(module, h, y_hat, g, name):
    """Return dE/dh from g = dE/dy_hat: f'(h) g, or J^T g for a row-wise activation."""
    if not is_rowwise(name, module):
        out = activation_derivative(module, h, name, None)
        module.multiply(g.reshape(-1), out.reshape(-1), out.reshape(-1))
        return out
    if not h.size:
        return np.empty_like(h)
    rows = h.reshape(1, -1) if h.ndim < 2 else h
    blocks = [to_block(a.reshape(rows.shape), module) for a in (rows, y_hat, g)]
    delta = np.empty_like(blocks[0])
    module.rowwise_backward(name, *blocks, delta)
    return from_block(delta, len(rows), h.shape)
