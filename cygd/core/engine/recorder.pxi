# What is recorded of each epoch inside a call without the GIL: measurements, a hash of the parameters, and
# whether training stops.

cimport cython
from cygd.core.early_stopping cimport StopRule

cdef enum:
    MAX_EVALUATIONS = 2                 # of training and of validation rows

cdef uint32_t crc_table[8][256]


cdef void init_crc_table() noexcept nogil:
    """Fill the tables of CRC-32 (ISO 3309), one for each position of a byte in a word of eight."""
    cdef uint32_t crc
    cdef int i, k
    for i in range(256):
        crc = i
        for k in range(8):
            crc = (crc >> 1) ^ (0xEDB88320u if crc & 1 else 0)
        crc_table[0][i] = crc
    for k in range(1, 8):
        for i in range(256):
            crc_table[k][i] = (crc_table[k - 1][i] >> 8) ^ crc_table[0][crc_table[k - 1][i] & 255]


init_crc_table()


cdef uint32_t crc32(const unsigned char *data, Py_ssize_t n) noexcept nogil:
    """Return the CRC-32 of some bytes, eight at a time."""
    cdef uint32_t crc = 0xFFFFFFFFu, low, high
    while n >= 8:
        memcpy(&low, data, 4)
        memcpy(&high, data + 4, 4)
        low ^= crc
        crc = (crc_table[7][low & 255] ^ crc_table[6][(low >> 8) & 255]
               ^ crc_table[5][(low >> 16) & 255] ^ crc_table[4][low >> 24]
               ^ crc_table[3][high & 255] ^ crc_table[2][(high >> 8) & 255]
               ^ crc_table[1][(high >> 16) & 255] ^ crc_table[0][high >> 24])
        data += 8
        n -= 8
    while n:
        crc = (crc >> 8) ^ crc_table[0][(crc ^ data[0]) & 255]
        data += 1
        n -= 1
    return crc ^ 0xFFFFFFFFu


@cython.auto_pickle(False)          # it holds the arrays of one training
cdef class Recorder:
    """Records the epochs of a training, and stops it.

    Parameters
    ----------
    engine : Engine
    parameters : array of shape (n_parameters,)
    evaluations : list of Evaluation
        Of the training rows, and of the validation rows if there are any.
    columns : list of list of int
        For each evaluation, the columns of its loss and its metrics in a row.
    penalty : int
        The column of the penalty; -1 for none.
    n_columns : int
        Of a row; the last three are the running loss, the learning rate and the seconds.
    every : int
        Measure after each so many epochs; 0: only after the last.
    epochs : int
        The number of the last epoch.
    capacity : int
        Rows that can be recorded before they are taken.
    milliseconds : float
        After which a call ends, so that its rows can be reported.
    hashed : bool
        Whether to hash the parameters after each epoch.
    stop : StopRule, optional
    monitored : int
        The column that the rule monitors.

    Attributes
    ----------
    epoch : int
        The last recorded epoch.
    n_rows : int
        Rows that were not taken.
    stopped : bool
        Whether the rule stopped the training after the last epoch.
    """
    cdef Engine engine
    cdef real[::1] parameters
    cdef list evaluations
    cdef Evaluation first, second
    cdef Py_ssize_t[::1] first_columns, second_columns
    cdef double[::1] measured_values    # of one evaluation
    cdef double[:, ::1] table           # a row per epoch
    cdef unsigned char[::1] measured    # whether an epoch was
    cdef uint32_t[::1] hashes
    cdef object rows, flags, crcs       # the arrays of these three
    cdef readonly Py_ssize_t n_rows
    cdef Py_ssize_t penalty, monitored, every
    cdef readonly long long epoch
    cdef readonly bint stopped
    cdef long long epochs
    cdef StopRule stop
    cdef double began, called           # milliseconds of the clock: of the training, and of the call
    cdef double milliseconds
    cdef bint hashed
    cdef int max_accumulators
    cdef Py_ssize_t max_chunk_rows

    def __init__(self, Engine engine, real[::1] parameters, list evaluations, list columns, *,
                 Py_ssize_t penalty, Py_ssize_t n_columns, Py_ssize_t every, long long epochs,
                 Py_ssize_t capacity, double milliseconds=INFINITY, bint hashed=True, StopRule stop=None,
                 Py_ssize_t monitored=0):
        cdef Evaluation evaluation
        if not 1 <= len(evaluations) <= MAX_EVALUATIONS:
            raise ValueError(f"expected 1 to {MAX_EVALUATIONS} evaluations, got {len(evaluations)}")
        self.engine, self.parameters, self.stop = engine, parameters, stop
        self.milliseconds, self.hashed = milliseconds, hashed
        self.first = evaluations[0]
        self.first_columns = np.array(columns[0], np.intp)
        if len(evaluations) > 1:
            self.second = evaluations[1]
            self.second_columns = np.array(columns[1], np.intp)
        for evaluation, indices in zip(evaluations, columns, strict=True):
            if evaluation.n_values != len(indices) or max(indices) >= n_columns - 3:
                expected = f"{evaluation.n_values} columns below {n_columns - 3}"
                raise ValueError(f"expected {expected}, got {indices}")
            self.max_accumulators = max(self.max_accumulators, evaluation.job.batch.n_accumulators)
            self.max_chunk_rows = max(self.max_chunk_rows, evaluation.job.batch.chunk_rows)
        self.measured_values = np.empty(max(len(indices) for indices in columns))
        self.penalty, self.monitored, self.every, self.epochs = penalty, monitored, every, epochs
        self.table = self.rows = np.empty((capacity, n_columns))
        self.measured = self.flags = np.empty(capacity, np.uint8)
        self.hashes = self.crcs = np.empty(capacity, np.uint32)

    def start(self, long long epoch, double seconds):
        """Start to record after an epoch, so many seconds after the start of the training."""
        self.epoch = epoch
        self.n_rows = 0
        self.began = now() - 1e3 * seconds

    cdef void begin_call(self) noexcept nogil:
        self.stopped = False
        self.called = now()

    cdef int measure(self, accumulator_t *accumulators, double *polled, double *row) noexcept nogil:
        """Write the measurements into a row; return the status."""
        cdef Py_ssize_t k
        cdef int status = self.first.run(accumulators, polled, &self.measured_values[0])
        for k in range(self.first_columns.shape[0]):
            row[self.first_columns[k]] = self.measured_values[k]
        if status == RUNNING and self.second is not None:
            status = self.second.run(accumulators, polled, &self.measured_values[0])
            for k in range(self.second_columns.shape[0]):
                row[self.second_columns[k]] = self.measured_values[k]
        if self.penalty >= 0:
            row[self.penalty] = total_penalty(self.engine, &self.parameters[0])
        return status

    cdef bint is_due(self, long long epoch) noexcept nogil:
        """Return whether to measure an epoch."""
        return epoch == self.epochs or self.every > 0 and epoch % self.every == 0

    cdef bint reads_next(self) noexcept nogil:
        """Return whether recording the next epoch reads the parameters."""
        return self.hashed or self.is_due(self.epoch + 1)

    cdef bint record(self, job_t *job, double loss, double learning_rate, double at=0) noexcept nogil:
        """Add the row of the epoch that is complete, now or at a time; return whether to end the call."""
        cdef long long epoch = self.epoch + 1
        cdef Py_ssize_t k, n = self.table.shape[1]
        cdef double *row = &self.table[self.n_rows, 0]
        cdef double t
        cdef bint measured = self.is_due(epoch)
        for k in range(n):
            row[k] = NAN
        if measured:
            job.status = self.measure(job.accumulators, &job.polled, row)
            if job.status != RUNNING:
                return True
        t = at if at > 0 else now()
        row[n - 3], row[n - 2] = loss, learning_rate
        row[n - 1] = rint((t - self.began) * 1e3) * 1e-6        # whole microseconds are shorter in files
        self.measured[self.n_rows] = measured
        if self.hashed:
            self.hashes[self.n_rows] = self.hash_parameters()
        self.epoch = epoch
        self.n_rows += 1
        if measured and self.stop is not None:
            self.stopped = self.stop.update(epoch, row[self.monitored], row[0],
                                            <const char *> &self.parameters[0])
        return self.stopped or self.n_rows == self.table.shape[0] or t - self.called > self.milliseconds

    cdef uint32_t hash_parameters(self) noexcept nogil:
        return crc32(<const unsigned char *> &self.parameters[0],
                     self.engine.n_parameters * <Py_ssize_t> sizeof(real))

    def take(self):
        """Return the rows since they were last taken, whether each was measured, and the hashes."""
        cdef Py_ssize_t n = self.n_rows
        taken = self.rows[:n].copy(), self.flags[:n].astype(np.bool_), self.crcs[:n].copy()
        self.n_rows = 0
        return taken

    def last(self):
        """Return the last row, which may be completed in place, and whether it was measured."""
        if not self.n_rows:
            raise IndexError("no row was recorded")
        return self.rows[self.n_rows - 1], self.measured[self.n_rows - 1] != 0

    def current(self, bint measured):
        """Return a row of the current parameters, without an epoch, and their hash, or 0 if nobody reads it.

        The row is NaN unless measured.
        """
        cdef double polled = now()
        cdef job_t job
        cdef Accumulators accumulators
        row = np.full(self.table.shape[1], NAN)
        cdef double[::1] view = row
        memset(&job, 0, sizeof(job_t))
        if measured:
            accumulators = self.engine.acquire(self.max_accumulators, self.max_chunk_rows)
            with nogil:
                job.status = self.measure(accumulators.items, &polled, &view[0])
            self.engine.release(accumulators, NULL)
            raise_errors(&job, self.engine.errors)
        return row, self.hash_parameters() if self.hashed else 0
