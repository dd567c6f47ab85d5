"""Early stopping: when to stop, and the parameters to keep, decided after each measurement."""

from libc.math cimport INFINITY
from libc.string cimport memcpy

import numpy as np


cdef class StopRule:
    """Decides whether a training stops, and keeps the best parameters.

    Parameters
    ----------
    sign : float
        1 if a lower monitored value is better, -1 if a higher one is.
    min_delta : float
        The smallest change that counts as an improvement.
    patience : int or None
        Measurements without an improvement before the stop.
    loss_below : float or None
        Stop as soon as the loss is below this.
    restore_best : bool
        Whether to keep the parameters of the best measurement.
    parameters : array
        Like those of the training.

    Examples
    --------
    >>> rule = StopRule(1, 0, 2, None, True, np.zeros(1))
    >>> [rule.add(epoch, loss, loss, np.array([loss])) for epoch, loss in enumerate([3.0, 1.0, 2.0, 1.5])]
    [False, False, False, True]
    >>> rule.state()
    (1.0, 1, 2, array([1.]))
    """

    def __init__(self, double sign, double min_delta, patience, loss_below, bint restore_best, parameters):
        self.sign, self.min_delta = sign, min_delta
        self.patience = patience or 0
        self.loss_below = -INFINITY if loss_below is None else loss_below
        self.restore_best = restore_best
        self.now.best = INFINITY
        self.now.best_epoch = self.last_epoch = -1
        self.now.kept = -1
        self.before = self.now
        self.copies = [np.empty_like(parameters), np.empty_like(parameters)] if restore_best else []
        self.size = parameters.nbytes
        cdef char[::1] view
        for k, copy in enumerate(self.copies):
            view = copy.view(np.int8)
            self.addresses[k] = &view[0]

    cdef bint update(self, long long epoch, double monitored, double loss,
                     const char *parameters) noexcept nogil:
        """Add a measurement; return whether to stop."""
        cdef double value = self.sign * monitored
        cdef standing_t *now = &self.now
        self.before = now[0]
        self.last_epoch = epoch
        # the first value that is not NaN is an improvement, even if it is infinite
        if not (self.patience or self.restore_best):
            pass                        # nothing is monitored
        elif value < now.best - self.min_delta or now.best_epoch < 0 and value == value:
            now.best, now.best_epoch, now.wait = value, epoch, 0
            if self.restore_best:
                now.kept = 0 if now.kept == 1 else 1        # the other one is still that of `before`
                memcpy(self.addresses[now.kept], parameters, self.size)
        else:
            now.wait += 1
        return loss < self.loss_below or self.patience > 0 and now.wait >= self.patience

    def add(self, long long epoch, double monitored, double loss, parameters):
        """Add a measurement; return whether to stop."""
        cdef const char[::1] view = np.ascontiguousarray(parameters).view(np.int8)
        if view.shape[0] != self.size:
            raise ValueError(f"expected parameters of {self.size} bytes, got {view.shape[0]}")
        return self.update(epoch, monitored, loss, &view[0])

    def state(self, before=None):
        """Return (best, best epoch, wait, best parameters): now, or before the measurement of an epoch."""
        cdef standing_t found = self.before if before is not None and before == self.last_epoch else self.now
        return (found.best, found.best_epoch if found.best_epoch >= 0 else None, found.wait,
                self.copies[found.kept] if found.kept >= 0 else None)

    def restore(self, double best, best_epoch, long long wait, best_parameters):
        """Set the state to that of another training."""
        self.now.best, self.now.wait = best, wait
        self.now.best_epoch = -1 if best_epoch is None else best_epoch
        self.now.kept = -1
        if best_parameters is not None and self.restore_best:
            self.copies[0][...] = best_parameters
            self.now.kept = 0
        self.before = self.now
        self.last_epoch = -1
