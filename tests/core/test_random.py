"""Counted randomness: the published bits, fair transforms, and streams that keep apart."""

import itertools

import numpy as np
import pytest

from cygd.core.random import PURPOSES, Stream, epoch_order, philox_block

PI = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
PI_KEY = 0x299F31D0_A4093822
ONES = 0xFFFFFFFF


# the known answers that come with Random123 (Salmon et al. 2011)
@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0, 0, 0, 0], 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([ONES] * 4, 2**64 - 1, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (PI, PI_KEY, [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
    ],
)
def test_philox_gives_its_published_words(counter, key, expected):
    assert philox_block(counter, key) == expected


def test_a_stream_is_philox_counted_by_position_index_purpose_and_layer():
    index = 5 << 32 | 6
    words = Stream(PI_KEY, "dropout", index=index, layer=3).words(8)
    place = PURPOSES["dropout"] | 3 << 4
    blocks = [philox_block([block, 5, 6, place], PI_KEY) for block in (0, 1)]
    assert words.tolist() == [*blocks[0], *blocks[1]]


def test_words_do_not_depend_on_how_many_are_drawn_at_once():
    whole, parts = Stream(1).words(20), Stream(1)
    assert np.concatenate([parts.words(n) for n in (1, 0, 6, 13)]).tolist() == whole.tolist()


def test_streams_of_other_seeds_purposes_indices_and_layers_share_nothing():
    keys = itertools.product((0, 1, 2**63 - 1), PURPOSES, (0, 1, 2**32), (0, 1, 1000))
    streams = [Stream(seed, purpose, index, layer).words(8) for seed, purpose, index, layer in keys]
    words = np.concatenate(streams)
    # two 32-bit words of a thousand may meet by chance, whole streams may not
    assert len(np.unique(words)) > len(words) - 10
    together = np.array(streams, np.float64)
    correlation = np.corrcoef(together.T)
    assert abs(correlation - np.eye(8)).max() < 0.5


def test_the_same_stream_gives_the_same_numbers():
    for draw in (
        lambda rng: rng.random(5),
        lambda rng: rng.uniform(-1, 1, size=5),
        lambda rng: rng.normal(loc=1, scale=2, size=5),
        lambda rng: rng.integers(10, size=5),
        lambda rng: rng.permutation(5),
    ):
        np.testing.assert_array_equal(draw(Stream(3, "data", 1, 2)), draw(Stream(3, "data", 1, 2)))
        assert not np.array_equal(draw(Stream(3, "data", 1, 2)), draw(Stream(4, "data", 1, 2)))


N = 200_000


def test_random_is_uniform():
    u = Stream(1).random(N)
    assert 0 <= u.min() < u.max() < 1
    # five standard deviations each
    assert abs(u.mean() - 1 / 2) < 5 / np.sqrt(12 * N)
    assert abs(u.var() - 1 / 12) < 5 / np.sqrt(180 * N)
    counts = np.bincount((u * 64).astype(int), minlength=64)
    assert abs(counts - N / 64).max() < 5 * np.sqrt(N / 64)
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 5 / np.sqrt(N)


def test_random_has_53_bits():
    mantissas = Stream(1).random(1000) * 2.0**53
    assert (mantissas == np.floor(mantissas)).all()
    assert (mantissas % 2 == 1).any()


def test_standard_normal_is_normal():
    z = Stream(2).standard_normal(N)
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 5 / np.sqrt(N)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / N)
    assert abs((z**3).mean()) < 5 * np.sqrt(15 / N)
    assert abs((z**4).mean() - 3) < 5 * np.sqrt(96 / N)
    for limit, share in ((0, 0.5), (1, 0.8413447461), (2, 0.9772498681), (-3, 0.0013498980)):
        assert abs((z < limit).mean() - share) < 5 * np.sqrt(share * (1 - share) / N)
    assert abs(np.corrcoef(z[0::2], z[1::2])[0, 1]) < 5 / np.sqrt(N / 2)


def test_uniform_and_normal_are_shifted_and_scaled():
    u, z = Stream(3).random(9), Stream(3).standard_normal(9)
    assert Stream(3).uniform(-2, 5, 9).tolist() == (-2 + 7 * u).tolist()
    assert Stream(3).normal(4, 0.5, 9).tolist() == (4 + 0.5 * z).tolist()


@pytest.mark.parametrize("n", [2, 3, 7, 10, 100])
def test_integers_are_equally_likely(n):
    counts = np.bincount(Stream(4).integers(n, size=N), minlength=n)
    assert len(counts) == n
    assert abs(counts - N / n).max() < 5 * np.sqrt(N / n)


def test_integers_of_a_range_that_does_not_divide_the_words_are_not_biased():
    # of 3 * 2**30 values a remainder of the words would favour the lowest third twice
    values = Stream(5).integers(3 * 2**30, size=N)
    thirds = np.bincount(values // 2**30, minlength=3)
    assert abs(thirds - N / 3).max() < 5 * np.sqrt(N / 3)


def test_integers_have_the_bounds_of_numpy():
    assert set(Stream(6).integers(-2, 3, size=200)) == {-2, -1, 0, 1, 2}
    assert set(Stream(6).integers(low=0, high=2, size=50)) == {0, 1}
    assert Stream(6).integers(5, 6) == 5
    largest = Stream(6).integers(2**32 - 1, size=1000)
    assert 0 <= largest.min() < largest.max() < 2**32 - 1


@pytest.mark.parametrize("bounds", [(0,), (3, 3), (5, 2), (0, 2**32)])
def test_integers_of_no_range_are_refused(bounds):
    with pytest.raises(ValueError, match=r"integers: expected 1 to 2\*\*32 - 1 values, got low="):
        Stream(0).integers(*bounds)


def test_permutations_hold_every_number_once():
    for n in (0, 1, 2, 5, 1000):
        assert sorted(Stream(7).permutation(n).tolist()) == list(range(n))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 50])
def test_an_order_is_the_permutation_in_half_the_memory(n):
    order = Stream(7, "split").order(n)
    assert order.dtype == np.uint32
    assert order.tolist() == Stream(7, "split").permutation(n).tolist()


def shuffled(words, n):
    """Return n numbers shuffled by Fisher and Yates with Lemire's integers, and how many words it took."""
    order, used = list(range(n)), 0
    for i in range(n - 1, 0, -1):
        while True:
            product = words[used] * (i + 1)
            used += 1
            if product % 2**32 >= (2**32 - (i + 1)) % (i + 1):
                break
        j = product >> 32
        order[i], order[j] = order[j], order[i]
    return order, used


# many words are drawn at once, but for the last steps
@pytest.mark.parametrize("n", [*range(1, 140), 1000, 300_000])
def test_an_order_is_the_one_of_words_drawn_one_by_one(n):
    seed, index = 2**63 - n, 2**40 + n
    words = Stream(seed, "shuffle", index).words(n + 100).tolist()
    expected, used = shuffled(words, n)
    assert epoch_order(seed, index, n).tolist() == expected
    rng = Stream(seed, "shuffle", index)
    assert rng.order(n).tolist() == expected
    assert rng.words(9).tolist() == words[used : used + 9]
    assert n < 300_000 or used > n  # some numbers were drawn again


def test_an_order_begins_within_a_block():
    rng = Stream(5, "data")
    words = rng.words(3).tolist() + Stream(5, "data").words(300)[3:].tolist()
    assert rng.order(200).tolist() == shuffled(words[3:], 200)[0]


def test_every_permutation_is_equally_likely():
    rng, n = Stream(8), 12_000
    counts = {}
    for _ in range(n):
        order = tuple(rng.permutation(4).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert max(abs(count - n / 24) for count in counts.values()) < 5 * np.sqrt(n / 24)


def test_an_array_is_permuted_by_rows_and_stays_as_it_is():
    rows = np.arange(12).reshape(6, 2)
    before = rows.copy()
    found = Stream(9).permutation(rows)
    np.testing.assert_array_equal(rows, before)
    np.testing.assert_array_equal(found, rows[Stream(9).permutation(6)])


def test_an_epochs_order_is_its_own():
    orders = [epoch_order(seed, epoch, 50).tolist() for seed in (0, 1) for epoch in (0, 1, 2**40)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == len(orders)
    assert orders[1] == Stream(0, "shuffle", index=1).permutation(50).tolist()
    assert epoch_order(0, 0, 0).tolist() == []


@pytest.mark.parametrize("size", [None, 0, 3, (), (2, 3), (0, 4)])
def test_sizes_are_those_of_numpy(size):
    ours, numpys = Stream(0), np.random.default_rng(0)
    for draw in (
        lambda rng: rng.random(size),
        lambda rng: rng.random(size=size),
        lambda rng: rng.uniform(low=0.0, high=1.0, size=size),
        lambda rng: rng.normal(loc=0.0, scale=1.0, size=size),
        lambda rng: rng.standard_normal(size=size),
        lambda rng: rng.integers(low=1, high=9, size=size),
    ):
        assert np.shape(draw(ours)) == np.shape(draw(numpys))
        assert np.asarray(draw(ours)).dtype == np.asarray(draw(numpys)).dtype


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(OverflowError):
        Stream(seed)
