# Early stopping without the GIL.

# what the measurements so far amount to
cdef struct standing_t:
    double best                     # with the opposite sign if higher is better
    long long best_epoch            # -1: no measurement yet
    long long wait                  # measurements since the best one
    int kept                        # which copy of the parameters is the best one's; -1: none


cdef class StopRule:
    cdef double sign, min_delta, loss_below
    cdef long long patience         # 0: unlimited
    cdef bint restore_best
    cdef standing_t now, before     # after the last measurement, and before it
    cdef list copies                # two: the parameters of the best measurement, now and before
    cdef long long last_epoch       # of the last measurement
    cdef char *addresses[2]
    cdef Py_ssize_t size
    cdef bint update(self, long long epoch, double monitored, double loss,
                     const char *parameters) noexcept nogil
