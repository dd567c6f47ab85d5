"""The kernels of each dtype and CPU level; `cygd.core.dispatch` loads one pair of them."""
