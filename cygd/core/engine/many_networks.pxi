# Many small networks of one architecture, trained side by side: vectors run along the networks.
#
# Every sum has the order of that of a network alone, so that each gets the bits of its own training.
# Parameters and optimizer states are interleaved for the time of a call (many_lanes.pxi), and copied back to
# a network when it is measured or ends. A batch of all networks is one pass (many_batches.pxi).
#
# Blocks of networks, each of which has a ManyTrainer, run in threads of their own (`run_many`).
#
# Whatever a network alone computes in another way than as one chunk of `run_chunk` is not supported here:
# `many_bytes` says so, and the caller trains these networks one after the other.

def many_bytes(Engine engine, Py_ssize_t n_rows, Py_ssize_t batch_size):
    """Return the memory that a batch of one network takes side by side; 0 if that is not supported.

    Parameters
    ----------
    engine : Engine
    n_rows : int
        To train on.
    batch_size : int
    """
    cdef batch_t batch
    cdef layer_t *layer
    cdef Py_ssize_t index, n = min(batch_size, n_rows)
    if (batch_size == 1 or n < 1 or n_rows > 2**32 or engine.single_layer or engine.has_trainable
            or engine.has_python_components
            or engine.n_parameters * <Py_ssize_t> sizeof(real) >= FUSED_UPDATE_BYTES):
        return 0
    memset(&batch, 0, sizeof(batch_t))
    for rows in {n, n_rows % n or n}:
        engine.split(&batch, rows)
        if batch.n_chunks != 1:
            return 0
    for index in range(engine.n_layers):
        layer = &engine.layers[index]
        if layer.wide and layer.n_in * layer.n_out >= SMALL_BATCH_WEIGHTS:
            return 0
    return (engine.row_elements * many_rows(n) + 4 * engine.n_parameters) * <Py_ssize_t> sizeof(real)


def optimizer_form(component):
    """Return what networks side by side share of their optimizers; None if the optimizer is not a kernel."""
    cdef double parameters[MAX_OPTIMIZER_PARAMETERS]
    cdef double s[8]
    cdef double carried[4]
    cdef optimizer_entry *entry
    if component.kernel is None:
        return None
    entry = find_optimizer(current(), component.kernel)
    read_parameters(entry, component, parameters)
    memset(carried, 0, sizeof(carried))
    memset(s, 0, sizeof(s))
    entry.scalars(parameters, 1, 1, carried, s)
    # in the precision in which the kernel compares it with 0
    return component.kernel, entry.selector < 0 or <real> s[entry.selector] == 0


cdef enum:
    THREADS_FLOPS = 4000000             # of a call: about a millisecond, for which a second thread pays


cdef class ManyTrainer(ManyBatches):
    """Run epochs of updates of many networks side by side, each with the bits of its own `Trainer`."""
    cdef job_t recording                # in which recorders measure
    cdef Accumulators accumulators      # of a call
    cdef Py_ssize_t n_epochs            # of a call

    cdef void train_epoch(self) noexcept nogil:
        """Run one epoch of the networks in the lanes."""
        cdef Py_ssize_t k, first
        cdef member_t *member
        for k in range(self.n_lanes):
            member = &self.members[self.lanes[k]]
            member.rate = member.losses[0]
            if (<Trainer> member.trainer).shuffled:
                (<Trainer> member.trainer).draw_order()
        memset(self.epoch_loss, 0, self.networks * sizeof(double))
        self.epoch_weight = 0
        self.batches = self.steady_steps = self.positions_to = 0
        self.save()
        for first from 0 <= first < self.job.n_rows by self.job.batch_size:
            self.train_batch(first)
            poll(self.engine, &self.job)
            if self.job.status != RUNNING:
                return
        for k in range(self.n_lanes):
            self.members[self.lanes[k]].step[0] += self.steady_steps

    cdef void find_infinite(self) noexcept nogil:
        """Set `infinite` where a parameter or a state is not finite."""
        cdef Py_ssize_t k, n = self.engine.n_parameters
        memset(self.infinite, 0, self.networks * sizeof(real))
        self.engine.kernels.many_infinite(self.w, self.infinite, n, self.networks)
        for k in range(self.n_states):
            self.engine.kernels.many_infinite(self.state[self.states[k]], self.infinite, n, self.networks)

    cdef bint finish_epoch(self, Py_ssize_t k, long long steps, job_t *job, double at) noexcept nogil:
        """Complete or undo the epoch of a lane and record it; return whether the network goes on."""
        cdef member_t *member = &self.members[self.lanes[k]]
        cdef double loss = self.epoch_loss[k]
        loss = loss / self.epoch_weight if self.epoch_weight > 0 else loss
        if not (loss - loss == 0 and self.infinite[k] == 0):
            self.restore(k)
            member.status = DIVERGED
            return False
        member.losses[0] = loss
        member.updates += steps
        (<Trainer> member.trainer).complete_epoch(steps, loss, member.rate)
        if member.recorder == NULL:
            return True
        if (<Recorder> member.recorder).reads_next():
            self.scatter_parameters(k)
        return not (<Recorder> member.recorder).record(job, loss, member.rate, at)

    cdef void run_epochs(self, int *stopped) noexcept nogil:
        """Run the epochs of a call for every network, then copy all of them back.

        `stopped` is shared with other trainers, which end after an epoch if one of them was interrupted.
        """
        cdef job_t *job = &self.recording
        cdef Py_ssize_t epoch, k, n_ended
        cdef long long steps = (self.job.n_rows + self.job.batch_size - 1) // self.job.batch_size
        cdef member_t *member
        cdef double at
        self.gather()
        for epoch in range(self.n_epochs):
            if load_int(stopped):
                break
            self.train_epoch()
            if self.job.status != RUNNING:
                store_int(stopped, 1)
                for k in range(self.n_lanes):
                    self.restore(k)
                return
            self.find_infinite()
            n_ended = 0
            at = now()                                  # one clock for all of them
            for k in range(self.n_lanes):
                member = &self.members[self.lanes[k]]
                if job.status != RUNNING:               # a measurement was interrupted
                    self.restore(k)
                    member.running = False
                elif not self.finish_epoch(k, steps, job, at):
                    if member.status == RUNNING:
                        self.scatter(k)
                    member.running = False
                    n_ended += 1
                member.losses += 1
            self.job.status = job.status
            if job.status != RUNNING:
                store_int(stopped, 1)
            if n_ended:
                self.close_ranks()
            if self.n_lanes == 0 or self.job.status != RUNNING:
                return
        for k in range(self.n_lanes):
            self.scatter(k)

    cdef void close_ranks(self) noexcept nogil:
        """Interleave only the networks that still run."""
        cdef Py_ssize_t k, left = 0
        for k in range(self.n_lanes):
            if self.members[self.lanes[k]].running:
                self.scatter(k)
                left += 1
        if left:
            self.gather()
        else:
            self.n_lanes = 0

    cdef double flops(self):
        """Return about how many operations the epochs of a call take."""
        return self.engine.row_flops * self.job.n_rows * self.n_members * self.n_epochs

    cdef begin(self, list indices, list learning_rates, list recorders):
        """Prepare a call."""
        cdef Py_ssize_t n = len(learning_rates[0]) if learning_rates else 0, k, e
        cdef int n_accumulators = 1
        cdef Py_ssize_t chunk_rows = WIDTH
        cdef Trainer trainer
        cdef Recorder recorder
        cdef member_t *member
        for k in range(self.n_members):
            self.members[k].running = False
        for index, rates, recorder in zip(indices, learning_rates, recorders, strict=True):
            trainer = self.trainers[index]
            member = &self.members[<Py_ssize_t> index]
            if len(rates) != n:
                raise ValueError(f"expected {n} learning rates of each network, got {len(rates)}")
            if trainer.losses.shape[0] < n:
                trainer.losses = np.empty(n)
            for e in range(n):
                trainer.losses[e] = rates[e]
            trainer.n_complete = 0
            member.losses = &trainer.losses[0]
            member.recorder = <void *> recorder if recorder is not None else NULL
            member.updates = trainer.updates
            member.status = RUNNING
            member.running = True
            if recorder is not None:
                if recorder.n_rows == recorder.table.shape[0]:
                    raise ValueError("a recorder is full: take its rows first")
                recorder.begin_call()
                n_accumulators = max(n_accumulators, recorder.max_accumulators)
                chunk_rows = max(chunk_rows, recorder.max_chunk_rows)
        self.n_epochs = n
        self.accumulators = self.engine.acquire(n_accumulators, chunk_rows)
        self.recording = self.job
        self.recording.accumulators = self.accumulators.items
        self.job.status = self.recording.status = RUNNING
        self.job.flops_since_poll = 0
        self.job.polled = self.recording.polled = now()

    cdef end(self):
        """Release what `begin` has acquired."""
        self.engine.release(self.accumulators, NULL)
        self.accumulators = None

    def run(self, list indices, list learning_rates, list recorders):
        """Run epochs of some of the networks: `run_many` of this trainer alone."""
        return run_many([self], [(indices, learning_rates, recorders)])[0]


cdef void run_epochs_of(void *trainer, int *stopped) noexcept nogil:
    (<ManyTrainer> trainer).run_epochs(stopped)


def run_many(list trainers, list calls, int threads=1):
    """Run epochs of several blocks of networks without the GIL.

    Parameters
    ----------
    trainers : list of ManyTrainer
    calls : list of tuple
        For each of them, (indices, learning_rates, recorders): which of its networks run; for each of them
        the rate of each epoch, equally many; and for each a Recorder, or None, which records the epochs of
        its network and may end them.
    threads : int
        The maximum number of threads; results do not depend on it.

    Returns
    -------
    list of list of bool
        For each trainer, whether the next epoch of each network diverged. The parameters are those after the
        last complete, finite epoch, even if an exception is raised; so are the attributes of the trainers.
    """
    cdef Py_ssize_t k, n = len(trainers)
    cdef int stopped = 0
    cdef double flops = 0
    cdef ManyTrainer trainer
    cdef list begun = []
    cdef AlignedBuffer memory = AlignedBuffer(n * <Py_ssize_t> sizeof(void *))
    cdef void **pointers = <void **> memory.start
    try:
        for k, (trainer, (indices, rates, recorders)) in enumerate(zip(trainers, calls, strict=True)):
            pointers[k] = <void *> trainer              # kept alive by the list
            trainer.begin(indices, rates, recorders)
            begun.append(trainer)
            flops += trainer.flops()
        threads = 1 if forked or flops < THREADS_FLOPS else min(threads, <int> n)
        with nogil:
            if threads == 1:
                for k in range(n):
                    run_epochs_of(pointers[k], &stopped)
            else:
                for k in prange(n, num_threads=threads, schedule="dynamic", chunksize=1):
                    run_epochs_of(pointers[k], &stopped)
    finally:
        for trainer in begun:
            trainer.end()
    for trainer in trainers:
        raise_errors(&trainer.job, trainer.engine.errors)
    return [
        [(<ManyTrainer> trainer).members[<Py_ssize_t> index].status == DIVERGED for index in call[0]]
        for trainer, call in zip(trainers, calls)
    ]
