# A training at work: epochs in one call without the GIL, as many as nobody wants to see.
#
# Whatever a call needs is there before the first of them, so that somebody who listens to every epoch
# pays for a function call and not for arrays.

cdef class Training:
    """Epochs of updates on the rows of a task, called as often as somebody wants to look in between.

    Parameters
    ----------
    engine : Engine
    task : Task
        The rows, with targets.
    parameters : array of shape (n_parameters,)
        Changed in place.
    updater : Updater
    batch_size : int
    shuffled : bool
        Whether each epoch draws an order of its own.
    seed : int
        Of the shuffles and the dropout masks.
    clip_norm, clip_value : float
        Limits on the gradient; 0 is none.
    epochs, updates : int
        Made before: they key the shuffles and the dropout masks.
    threads : int
        At most so many; they change no bit.

    Attributes
    ----------
    epochs, updates : int
        Whole epochs and their updates, those before the training among them; right whenever one looks,
        also where `run` raised.
    running_losses : list of float
        Of the whole epochs of the last call; right whenever one looks, too.
    """
    cdef Engine engine
    cdef Task task
    cdef Updater updater
    cdef real[::1] parameters, kept         # now, and before the epoch
    cdef bint shuffled
    cdef uint32_t[::1] order                # of the rows in the epoch; none where nothing is shuffled
    cdef double[::1] losses                 # of the epochs of a call
    cdef Samples samples                    # where batches are single rows
    cdef job j                              # as every call begins it
    cdef int most_threads
    cdef int most_lanes
    cdef Py_ssize_t longest                 # chunk
    cdef readonly long long epochs, updates
    cdef Py_ssize_t done                    # epochs of the last call

    def __init__(self, Engine engine, Task task, real[::1] parameters, Updater updater, *,
                 Py_ssize_t batch_size, bint shuffled, uint64_t seed, long long epochs, long long updates,
                 double clip_norm, double clip_value, int threads):
        cdef job *j = &self.j
        if not task.n_rows:
            raise ValueError("no rows to train on")
        if shuffled and task.x.shape[0] > 2**32:
            raise ValueError("at most 2**32 rows can be shuffled")
        self.engine, self.task, self.updater = engine, task, updater
        self.parameters = parameters
        self.kept = np.array(parameters)
        self.losses = np.empty(1)
        self.epochs, self.updates = epochs, updates
        self.most_threads = threads
        memset(j, 0, sizeof(job))
        j.q = task.q
        j.parameters = &parameters[0]
        j.q.parameters = j.parameters
        j.n_rows = task.n_rows
        j.batch_size = min(batch_size, task.n_rows)
        j.clip_norm, j.clip_value = clip_norm, clip_value
        j.q.backward = j.q.training = True
        j.q.seed = seed
        self.shuffled = shuffled
        if shuffled:
            self.order = np.empty(task.n_rows, np.uint32)
            j.q.rows = &self.order[0]
        if batch_size == 1:
            self.samples = Samples.of(engine, updater, clip_norm > 0 or clip_value > 0)
            j.samples = &self.samples.p if self.samples is not None else NULL
        engine.cut(&j.q, j.n_rows % j.batch_size)
        self.most_lanes, self.longest = j.q.n_lanes, j.q.chunk  # the last batch may have the longer chunks
        engine.cut(&j.q, j.batch_size)
        self.most_lanes = max(self.most_lanes, j.q.n_lanes)
        self.longest = max(self.longest, j.q.chunk)

    cdef void draw_order(self) noexcept nogil:
        """Bring the rows into the order of the epoch: from the seed and its number alone."""
        cdef uint32_t *order = <uint32_t *> self.j.q.rows
        cdef Py_ssize_t i, n = self.task.n_rows
        if self.task.q.rows != NULL:
            memcpy(order, self.task.q.rows, n * sizeof(uint32_t))
        else:
            for i in range(n):
                order[i] = <uint32_t> i
        shuffle(self.j.q.seed, SHUFFLE, self.epochs, order, n)

    cdef void run_one(self, job *j, double learning_rate, double *loss) noexcept nogil:
        """One epoch; if it does not go well to its end, everything is as it was before."""
        cdef Py_ssize_t size = self.engine.n_parameters * sizeof(real)
        if self.shuffled:
            self.draw_order()
        memcpy(&self.kept[0], j.parameters, size)
        self.updater.keep()
        self.engine.cut(&j.q, j.batch_size)
        j.threads = self.engine.team(&j.q, self.most_threads)
        j.learning_rate = learning_rate
        j.loss = j.weight = 0
        run_epoch(self.engine, self.updater, j)
        if j.status == GOES_ON:
            loss[0] = j.loss / j.weight if j.weight > 0 else j.loss
            if not (loss[0] - loss[0] == 0
                    and self.engine.k.all_finite(j.parameters, self.engine.n_parameters)):
                j.status = DIVERGED
        if j.status != GOES_ON:
            memcpy(j.parameters, &self.kept[0], size)
            self.updater.restore()

    def run(self, list learning_rates):
        """Run epochs without the GIL.

        Parameters
        ----------
        learning_rates : list of float
            The rate of each epoch.

        Returns
        -------
        tuple of list of float and bool
            The running losses of the completed epochs, and whether the next one diverged. The
            parameters are those after the last whole, finite epoch, also when an exception leaves.
        """
        cdef job j = self.j
        cdef Lanes lanes
        cdef Py_ssize_t k, n = len(learning_rates)
        cdef Py_ssize_t steps = (j.n_rows + j.batch_size - 1) // j.batch_size
        if self.losses.shape[0] < n:
            self.losses = np.empty(n)
        self.done = 0
        for k in range(n):
            self.losses[k] = learning_rates[k]      # a rate until its epoch is over
        j.polled = now()
        lanes = self.engine.take_lanes(self.most_lanes, self.longest)
        j.lanes = lanes.items
        with nogil:
            for k in range(n):
                j.q.step = self.updates
                self.run_one(&j, self.losses[k], &self.losses[k])
                if j.status != GOES_ON:
                    break
                self.epochs += 1
                self.updates += steps
                self.done += 1
        self.engine.give_back(lanes, j.chunks)
        end(&j, self.updater.failure if self.updater.failure.here() else self.engine.failure)
        return self.running_losses, j.status == DIVERGED

    @property
    def running_losses(self):
        return [self.losses[k] for k in range(self.done)]
