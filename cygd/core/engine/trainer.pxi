# The trainer: several epochs in one call without the GIL, as many as the caller does not need to observe.
#
# Everything that a call needs is allocated before the first one, so that a caller who observes every epoch
# pays for a function call, not for new arrays.

cdef class Trainer:
    """Run epochs of updates.

    Parameters
    ----------
    engine : Engine
    dataset : ArrayDataset
        The rows, with targets.
    parameters : array of shape (n_parameters,)
        Updated in place.
    optimizer : Optimizer
    batch_size : int
    shuffled : bool
        Whether to draw a new order of the rows for each epoch.
    seed : int
        Of the shuffles and the dropout masks.
    epochs, updates : int
        Made before: they key the shuffles and the dropout masks.
    clip_norm, clip_value : float
        Limits on the gradient; 0 for none.
    threads : int
        The maximum number of threads; results do not depend on it.
    whole : ArrayDataset, optional
        All rows of the training, if the dataset has only some: means divide by their mean weight.

    Attributes
    ----------
    epochs, updates : int
        Complete epochs and their updates, including those made before; up to date after `run` has raised.
    running_losses : list of float
        Of the complete epochs of the last call; up to date after `run` has raised.
    last_loss, last_rate : float
        The running loss and the learning rate of the last complete epoch; NaN before the first.
    """
    cdef Engine engine
    cdef ArrayDataset dataset, whole
    cdef Optimizer optimizer
    cdef real[::1] parameters, saved        # now, and before the epoch
    cdef bint shuffled
    cdef uint32_t[::1] order                # of the rows in the epoch; unset without shuffling
    cdef double[::1] losses                 # of the epochs of a call
    cdef PerSampleLayout layout                     # for batches of one row, else None
    cdef job_t job                          # as it is at the start of a call
    cdef int max_threads, max_accumulators
    cdef Py_ssize_t max_chunk_rows
    cdef readonly long long epochs, updates
    cdef readonly double last_loss, last_rate
    cdef Py_ssize_t n_complete              # epochs of the last call

    def __init__(self, Engine engine, ArrayDataset dataset, real[::1] parameters, Optimizer optimizer, *,
                 Py_ssize_t batch_size, bint shuffled, uint64_t seed, long long epochs, long long updates,
                 double clip_norm, double clip_value, int threads, ArrayDataset whole=None):
        cdef job_t *job = &self.job
        if not dataset.n_rows:
            raise ValueError("no rows to train on")
        if shuffled and dataset.x.shape[0] > 2**32:
            raise ValueError(f"expected at most 2**32 rows to shuffle, got {dataset.x.shape[0]}")
        self.engine, self.dataset, self.optimizer = engine, dataset, optimizer
        self.whole = whole if whole is not None else dataset
        self.parameters = parameters
        self.saved = np.array(parameters)
        self.losses = np.empty(1)
        self.epochs, self.updates = epochs, updates
        self.last_loss = self.last_rate = NAN
        self.max_threads = threads
        memset(job, 0, sizeof(job_t))
        job.batch = dataset.batch
        job.batch.total_rows = self.whole.batch.total_rows
        job.batch.total_weight = self.whole.batch.total_weight
        job.batch.filler_x, job.batch.filler_y = self.whole.batch.filler_x, self.whole.batch.filler_y
        job.parameters = &parameters[0]
        job.batch.parameters = job.parameters
        job.n_rows = dataset.n_rows
        job.batch_size = min(batch_size, dataset.n_rows)
        job.clip_norm, job.clip_value = clip_norm, clip_value
        job.batch.backward = job.batch.training = True
        job.batch.seed = seed
        self.shuffled = shuffled
        if shuffled:
            self.order = np.empty(dataset.n_rows, np.uint32)
            job.batch.rows = &self.order[0]
        if batch_size == 1:
            self.layout = PerSampleLayout.create(engine, optimizer, clip_norm > 0 or clip_value > 0)
            job.layout = &self.layout.layout if self.layout is not None else NULL
        # the last, shorter batch may have the longer chunks
        engine.split(&job.batch, job.n_rows % job.batch_size)
        self.max_accumulators, self.max_chunk_rows = job.batch.n_accumulators, job.batch.chunk_rows
        engine.split(&job.batch, job.batch_size)
        self.max_accumulators = max(self.max_accumulators, job.batch.n_accumulators)
        self.max_chunk_rows = max(self.max_chunk_rows, job.batch.chunk_rows)

    cdef void draw_order(self) noexcept nogil:
        """Shuffle the rows for the epoch, from the seed and the epoch's number only."""
        cdef uint32_t *order = <uint32_t *> self.job.batch.rows
        cdef Py_ssize_t i, n = self.dataset.n_rows
        if self.dataset.batch.rows != NULL:
            memcpy(order, self.dataset.batch.rows, n * sizeof(uint32_t))
        else:
            for i in range(n):
                order[i] = <uint32_t> i
        shuffle(self.job.batch.seed, SHUFFLE, self.epochs, order, n)

    cdef void train_epoch(self, job_t *job, double learning_rate, double *loss) noexcept nogil:
        """Run one epoch; if it does not complete, restore the parameters and the optimizer."""
        cdef Py_ssize_t size = self.engine.n_parameters * sizeof(real)
        if self.shuffled:
            self.draw_order()
        memcpy(&self.saved[0], job.parameters, size)
        self.optimizer.save()
        self.engine.split(&job.batch, job.batch_size)
        job.n_threads = self.engine.n_threads(&job.batch, self.max_threads)
        job.learning_rate = learning_rate
        job.loss = job.weight = 0
        run_epoch(self.engine, self.optimizer, job)
        if job.status == RUNNING:
            loss[0] = job.loss / job.weight if job.weight > 0 else job.loss
            if not (loss[0] - loss[0] == 0
                    and self.engine.kernels.all_finite(job.parameters, self.engine.n_parameters)
                    and self.optimizer.is_finite()):
                job.status = DIVERGED
        if job.status != RUNNING:
            memcpy(job.parameters, &self.saved[0], size)
            self.optimizer.restore()

    cdef void complete_epoch(self, long long steps, double loss, double learning_rate) noexcept nogil:
        """Count an epoch of so many updates."""
        self.epochs += 1
        self.updates += steps
        self.n_complete += 1
        self.last_loss, self.last_rate = loss, learning_rate

    def run(self, list learning_rates, Recorder recorder=None):
        """Run epochs without the GIL.

        Parameters
        ----------
        learning_rates : list of float
            The rate of each epoch.
        recorder : Recorder, optional
            Records each epoch; it may end the call.

        Returns
        -------
        tuple of list of float and bool
            The running losses of the completed epochs, and whether the next one diverged. The
            parameters are those after the last complete, finite epoch, even if an exception is raised.
        """
        cdef job_t job = self.job
        cdef Accumulators accumulators
        cdef Py_ssize_t k, n = len(learning_rates)
        cdef int n_accumulators = self.max_accumulators
        cdef Py_ssize_t chunk_rows = self.max_chunk_rows
        cdef double rate
        cdef Py_ssize_t steps = (job.n_rows + job.batch_size - 1) // job.batch_size
        if self.losses.shape[0] < n:
            self.losses = np.empty(n)
        self.n_complete = 0
        for k in range(n):
            self.losses[k] = learning_rates[k]      # each epoch replaces its rate by its loss
        if recorder is not None:
            if recorder.n_rows == recorder.table.shape[0]:
                raise ValueError("the recorder is full: take its rows first")
            recorder.begin_call()
            n_accumulators = max(n_accumulators, recorder.max_accumulators)
            chunk_rows = max(chunk_rows, recorder.max_chunk_rows)
        job.polled = now()
        accumulators = self.engine.acquire(n_accumulators, chunk_rows)
        job.accumulators = accumulators.items
        with nogil:
            for k in range(n):
                job.batch.step = self.updates
                rate = self.losses[k]
                self.train_epoch(&job, rate, &self.losses[k])
                if job.status != RUNNING:
                    break
                self.complete_epoch(steps, self.losses[k], rate)
                if recorder is not None and recorder.record(&job, self.losses[k], rate):
                    break
        self.engine.release(accumulators, job.chunks)
        raise_errors(&job, self.optimizer.errors if self.optimizer.errors.raised() else self.engine.errors)
        return self.running_losses, job.status == DIVERGED

    @property
    def running_losses(self):
        return [self.losses[k] for k in range(self.n_complete)]
