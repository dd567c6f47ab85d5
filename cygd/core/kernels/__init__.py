"""Compute kernels, one module per dtype and CPU level; `cygd.core.dispatch` imports one pair of them."""
