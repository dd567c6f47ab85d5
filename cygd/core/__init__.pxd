# What user code may cimport; it needs only C types.
from cygd.core.primitives cimport (
    API_VERSION,
    activation_derivative_f32,
    activation_derivative_f64,
    activation_f32,
    activation_f64,
    block_capsule_f32,
    block_capsule_f64,
    block_f32,
    block_f64,
    derivative_capsule_f32,
    derivative_capsule_f64,
    derivative_f32,
    derivative_f64,
    sse_f32,
    sse_f64,
)
