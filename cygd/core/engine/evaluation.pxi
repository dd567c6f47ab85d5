# The loss and the metrics of some rows at the current parameters, without the GIL.

from cygd.core.metrics cimport Scorer
from libc.stdint cimport int64_t

cdef class Evaluation:
    """Measures the loss and the built-in metrics of the same rows, again and again.

    Parameters
    ----------
    engine : Engine
    dataset : ArrayDataset
        The rows, with targets.
    threads : int
        The maximum number of threads; results do not depend on it.
    scorer : Scorer, optional
        The metrics, with the targets of the counted rows in original units.
    counted : array of int64, optional
        Positions in the dataset of the rows that metrics compare; all by default.
    scale, shift : arrays of shape (n_outputs,), optional
        From the network's outputs to original units: scale * output + shift.
    predict : bool
        Whether to keep the predictions, for metrics in Python.

    Attributes
    ----------
    predictions : array of shape (n_rows, n_outputs), or None
        Outputs of the network at the last measurement.
    """
    cdef Engine engine
    cdef ArrayDataset dataset
    cdef Scorer scorer
    cdef readonly object predictions
    cdef const int64_t[::1] counted
    cdef const double[::1] scale, shift
    cdef double[::1] y_hat              # predictions in original units, row by row
    cdef job_t job                      # as it is at the start of a measurement
    cdef int max_threads, n_values

    def __init__(self, Engine engine, ArrayDataset dataset, int threads, *, Scorer scorer=None, counted=None,
                 scale=None, shift=None, bint predict=False):
        cdef real[:, ::1] out
        self.engine, self.dataset, self.scorer = engine, dataset, scorer
        self.max_threads = threads
        self.n_values = 1
        memset(&self.job, 0, sizeof(job_t))
        self.job.batch = dataset.batch
        if predict or scorer is not None:
            self.predictions = np.empty((dataset.n_rows, engine.n_outputs), REAL_DTYPE)
            out = self.predictions
            if dataset.n_rows:
                self.job.batch.out = &out[0, 0]
        if scorer is not None:
            self.n_values += len(scorer.names)
            self.counted, self.scale, self.shift = counted, scale, shift
            n = dataset.n_rows if counted is None else len(counted)
            if (scorer.n_rows, scorer.n_columns) != (n, engine.n_outputs):
                expected, got = (n, engine.n_outputs), (scorer.n_rows, scorer.n_columns)
                raise ValueError(f"expected metrics of targets of shape {expected}, got {got}")
            self.y_hat = np.empty(n * engine.n_outputs + 1)
        engine.split(&self.job.batch, dataset.n_rows)
        self.job.batch.scale = engine.loss_scale(&self.job.batch)

    cdef int run(self, accumulator_t *accumulators, double *polled, double *values) noexcept nogil:
        """Write the loss, then the metrics; return the status of the pass."""
        cdef job_t job = self.job
        job.accumulators = accumulators
        job.polled = polled[0]
        job.n_threads = self.engine.n_threads(&job.batch, self.max_threads)
        run_parallel(self.engine, &job)
        polled[0] = job.polled
        if job.status != RUNNING:
            return job.status
        values[0] = reduce_loss(&job)
        if self.scorer is not None:
            self.convert()
            self.scorer.score(&self.y_hat[0], values + 1)
        return RUNNING

    cdef void convert(self) noexcept nogil:
        """Convert the predictions of the counted rows to original units."""
        cdef Py_ssize_t i, j, k = self.engine.n_outputs, row
        cdef const real *out = self.job.batch.out
        cdef double *y_hat = &self.y_hat[0]
        for i in range(self.scorer.n_rows):
            row = self.counted[i] if self.counted is not None else i
            for j in range(k):
                y_hat[i * k + j] = out[row * k + j]
                if self.scale is not None:      # rounded as predictions are
                    y_hat[i * k + j] = <real> (y_hat[i * k + j] * self.scale[j] + self.shift[j])

    def measure(self):
        """Return the loss and the metrics at the current parameters."""
        cdef double[::1] values = np.empty(self.n_values)
        cdef double polled = now()
        cdef job_t job = self.job
        cdef Accumulators accumulators
        accumulators = self.engine.acquire(job.batch.n_accumulators, job.batch.chunk_rows)
        with nogil:
            job.status = self.run(accumulators.items, &polled, &values[0])
        self.engine.release(accumulators, NULL)
        raise_errors(&job, self.engine.errors)
        return [values[k] for k in range(self.n_values)]
