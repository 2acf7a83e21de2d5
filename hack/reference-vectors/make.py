"""Reference vectors: training rows, query rows and the outlyingness each detector must give to both.

Written from the papers and the definitions in docs/detectors.md, not from the Rust code, in plain numpy: no step is
shared with what it checks. Every function takes training rows and returns a function of rows. Run by make.sh, as
`make.py FOLDER` with numpy; the same script gives the same bytes.
"""

import gzip
import json
import math
import struct
import sys
from pathlib import Path

import numpy as np

# --- Statistics ---------------------------------------------------------------------------------------------------


def median(x):
    return np.quantile(x, 0.5, axis=0)


def iqr(x):
    return np.quantile(x, 0.75, axis=0) - np.quantile(x, 0.25, axis=0)


def mad(x):
    return np.quantile(np.abs(x - median(x)), 0.5, axis=0)


def first_positive(*choices):
    """Column by column the first of these that is above 0."""
    out = np.zeros_like(choices[0])
    for choice in choices:
        out = np.where(out > 0, out, choice)
    return out


def scaled(train, width):
    """(x − median) / width for the columns that vary."""
    live = train.std(axis=0) > 0
    center, width = median(train)[live], width[live]
    return lambda x: (np.atleast_2d(x)[:, live] - center) / width


def by_quartiles(train):
    """Columns in units of median and interquartile range; the standard deviation where that is 0."""
    return scaled(train, first_positive(iqr(train), train.std(axis=0)))


# --- Column by column ---------------------------------------------------------------------------------------------


def robust_z_score(train):
    """Iglewicz & Hoaglin 1993: the largest |x − median| / (1.4826 MAD) of the columns; MAD 0: IQR / 1.349, then the
    standard deviation."""
    z = scaled(train, first_positive(1.4826 * mad(train), iqr(train) / 1.349, train.std(axis=0)))
    return lambda x: np.abs(z(x)).max(axis=1)


def hbos(train):
    """Goldstein & Dengel 2012: Σ −ln height of the bin, the tallest bin of a column being 1 and none below 1/(n + 1).
    Equally wide bins after Freedman & Diaconis, 5 to 100; a column of at most 20 values has one bin for each."""
    n, floor = len(train), 1 / (len(train) + 1)

    def heights(column, x):
        values, counts = np.unique(column, return_counts=True)
        if len(values) <= 20:
            found = np.array([counts[values == one].sum() for one in x])
        else:
            width = 2 * iqr(column) / n ** (1 / 3)
            bins = 100 if width == 0 else int(np.clip(np.ceil(np.ptp(column) / width), 5, 100))
            counts, edges = np.histogram(column, bins)
            at = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, bins - 1)
            found = np.where((x < edges[0]) | (x > edges[-1]), 0, counts[at])
        return found, counts.max()

    def outlyingness(x):
        out = np.zeros(len(x))
        for j in range(train.shape[1]):
            found, tallest = heights(train[:, j], x[:, j])
            out -= np.log(np.maximum(found / tallest, floor))
        return out

    return outlyingness


def excess(column):
    """The mean excess of the largest values above the 95 % quantile, or else the median."""
    for share in (0.95, 0.5):
        quantile = np.quantile(column, share, method="inverted_cdf" if share > 0.5 else "linear")
        if (column > quantile).any():
            return (column[column > quantile] - quantile).mean()
    return column.std()


def tails(train):
    """−ln of both tails of each value, #{xᵢ ≤ x}/(n + 1) and #{xᵢ ≥ x}/(n + 1); beyond the training rows the tail falls by
    exp(−distance / mean excess). And −ln of the tail that the skewness points to. Constant columns say nothing."""
    n = len(train)

    def one(column, x):
        def right(column, x):
            rank = np.array([(column >= value).sum() for value in x])
            distance = np.maximum(x - column.max(), 0)
            return -np.log(np.maximum(rank, 1) / (n + 1)) + np.where(rank == 0, distance / excess(column), 0)

        u_right, u_left = right(column, x), right(-column, -x)
        skewness = ((column - column.mean()) ** 3).mean()
        return u_left, u_right, u_left if skewness < 0 else u_right

    live = [j for j in range(train.shape[1]) if np.ptp(train[:, j]) > 0]
    return lambda x: np.array([one(train[:, j], x[:, j]) for j in live])


def ecod(train):
    """Li et al. 2022, as the authors compute it: Σ of the larger of the skewed tail and the mean of both."""
    def outlyingness(x):
        left, right, skewed = tails(train)(x).transpose(1, 0, 2)
        return np.maximum(skewed, (left + right) / 2).sum(axis=0)

    return outlyingness


def copod(train):
    """Li et al. 2020, algorithm 1: the largest of the sums of left, right and skewed tails."""
    return lambda x: tails(train)(x).sum(axis=0).max(axis=0)


# --- Neighbours ---------------------------------------------------------------------------------------------------


def distances(z, references):
    """Euclidean, of columns stored in 32 bits."""
    z, references = (np.asarray(part, dtype=np.float32).astype(float) for part in (z, references))
    return np.sqrt(((z[:, None, :] - references[None, :, :]) ** 2).sum(axis=2))


def without_themselves(d):
    d = d.copy()
    np.fill_diagonal(d, np.inf)
    return d


def nearest_neighbors(train, k):
    """Ramaswamy, Rastogi & Shim 2000, Angiulli & Pizzuti 2002: the mean distance to the k nearest training rows."""
    scale = by_quartiles(train)
    references = scale(train)
    # As many for new rows as for training rows, which have one less to choose from.
    k = min(k, len(train) - 1)

    def outlyingness(x, own=False):
        d = distances(scale(x), references)
        return np.sort(without_themselves(d) if own else d, axis=1)[:, :k].mean(axis=1)

    return outlyingness


def local_outlier_factor(train, k):
    """Breunig, Kriegel, Ng & Sander 2000, with exactly k neighbours as scikit-learn takes them, and its 1e-10."""
    scale = by_quartiles(train)
    references = scale(train)
    k = min(k, len(train) - 1)
    among = without_themselves(distances(references, references))
    neighbors = np.argsort(among, axis=1, kind="stable")[:, :k]
    k_distance = np.take_along_axis(among, neighbors, axis=1)[:, -1]

    def density(d, neighbors):
        reach = np.maximum(np.take_along_axis(d, neighbors, axis=1), k_distance[neighbors])
        return 1 / (reach.mean(axis=1) + 1e-10)

    of_training = density(among, neighbors)

    def outlyingness(x, own=False):
        d = among if own else distances(scale(x), references)
        nearest = np.argsort(d, axis=1, kind="stable")[:, :k]
        return of_training[nearest].mean(axis=1) / density(d, nearest)

    return outlyingness


# --- Extended isolation forest --------------------------------------------------------------------------------------


class Stream:
    """ChaCha with 8 rounds (RFC 8439 with a 64-bit counter and no nonce), read as one 32-bit word after another."""

    def __init__(self, seed, purpose, index):
        key = seed.to_bytes(8, "little") + index.to_bytes(8, "little") + purpose
        self.start = struct.unpack("<12I", b"expand 32-byte k" + key)
        self.block, self.words = 0, []

    def word(self):
        if not self.words:
            start = [*self.start, self.block & 0xFFFFFFFF, self.block >> 32, 0, 0]
            state = start.copy()
            for _ in range(4):
                for quarter in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                                (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
                    a, b, c, d = quarter
                    for to, by, turned, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                        state[to] = (state[to] + state[by]) & 0xFFFFFFFF
                        x = state[turned] ^ state[to]
                        state[turned] = (x << bits | x >> (32 - bits)) & 0xFFFFFFFF
            self.words = [(x + y) & 0xFFFFFFFF for x, y in zip(state, start)][::-1]
            self.block += 1
        return self.words.pop()

    def long(self):
        return self.word() | self.word() << 32

    def below(self, bound):
        """Uniform in 0..bound (Lemire 2019)."""
        while True:
            product = self.word() * bound
            if product % 2**32 >= 2**32 % bound:
                return product >> 32

    def unit(self):
        """Uniform in [0, 1)."""
        return (self.long() >> 11) / 2**53

    def bell(self):
        """The heads of 64 coins less 32, spread evenly over a step: a normal number but for 1 % of its fourth moment."""
        heads = self.long().bit_count() - 32
        return heads + (self.word() >> 15 | 1) / 2**17 - 0.5

    def head(self, n, count):
        """The first of a shuffled 0..n (Fisher and Yates)."""
        numbers = list(range(n))
        for at in range(count):
            other = at + self.below(n - at)
            numbers[at], numbers[other] = numbers[other], numbers[at]
        return numbers[:count]


def mean_path(n):
    """c(n) of Liu, Ting & Zhou 2008, equation 1."""
    return [0, 0, 1][n] if n < 3 else 2 * (math.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n


def extended_isolation_forest(train, trees, sample, level, seed):
    """Hariri, Kind & Brunner 2021, of standardised columns kept in 32 bits, with the detector's own random numbers: what
    differs from the paper's are these and that a hyperplane in whose columns all rows are equal is drawn again. A row goes
    first if n·z ≤ n·p, with p uniform in the box around the node's rows, kept in 32 bits; outlyingness is
    2^(−mean path length / c(sample))."""
    scale = scaled(train, train.std(axis=0))
    single = lambda x: np.float32(x).astype(float)
    z = single(scale(train))
    columns, sample = z.shape[1], min(sample, len(z))
    width = columns if level is None else min(level + 1, columns)
    height = math.ceil(math.log2(max(2, sample)))

    def grow(tree):
        random = Stream(seed, b"extended-forest!", tree)
        rows = z[random.head(len(z), sample)]
        count = 0

        def node(rows, depth):
            nonlocal count
            number, count = count, count + 1
            for draw in range(100):
                if depth >= height or len(rows) < 2 or np.ptp(rows, axis=0).max() == 0 and draw > 0:
                    break
                plane = Stream(seed, b"hyperplanes-eif!", tree << 40 | number << 8 | draw)
                among = sorted(plane.head(columns, width)) if width < columns else list(range(columns))
                normal = np.array([plane.bell() for _ in among])
                low, high = rows[:, among].min(axis=0), rows[:, among].max(axis=0)
                intercept = low + np.array([random.unit() for _ in among]) * (high - low)
                if (low < high).any():
                    bound = single(normal @ intercept)
                    first = rows[:, among] @ normal <= bound
                    return among, normal, bound, node(rows[first], depth + 1), node(rows[~first], depth + 1)
            return depth + mean_path(len(rows))

        return node(rows, 0)

    forest = [grow(tree) for tree in range(trees)]
    nearest = math.inf

    def path(node, row):
        nonlocal nearest
        while isinstance(node, tuple):
            among, normal, bound, first, second = node
            distance = row[among] @ normal - bound
            nearest = min(nearest, abs(distance))
            node = first if distance <= 0 else second
        return node

    def outlyingness(x):
        paths = np.array([[path(tree, row) for tree in forest] for row in single(scale(x))])
        # Where a row almost lies on a hyperplane, its side would be a matter of rounding.
        assert nearest > 1e-6, nearest
        return 2 ** (-paths.mean(axis=1) / mean_path(sample))

    return outlyingness


# --- Principal components -----------------------------------------------------------------------------------------


def principal_components(train, variance):
    """Shyu et al. 2003: Σ t²/(λ + ε) over the components of that share of the variance, and the squared residual over
    the mean of the other eigenvalues; ε is 1e-9 of the mean of all."""
    scale = by_quartiles(train)
    z = scale(train)
    mean = z.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(z.T, bias=True).reshape(z.shape[1], z.shape[1]))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    share = np.cumsum(values) / values.sum()
    kept = int(np.argmax(share >= variance - 1e-15)) + 1
    epsilon = 1e-9 * values.mean()

    def outlyingness(x):
        centred = scale(x) - mean
        t = centred @ vectors[:, :kept]
        residual = ((centred - t @ vectors[:, :kept].T) ** 2).sum(axis=1)
        out = (t**2 / (values[:kept] + epsilon)).sum(axis=1)
        if kept < len(values):
            out = out + residual / (values[kept:].mean() + epsilon)
        return out

    return outlyingness


# --- Robust covariance --------------------------------------------------------------------------------------------


def chi_squared(x, degrees):
    """P(χ² ≤ x), by the series of the lower incomplete gamma function."""
    a, x = degrees / 2, x / 2
    term = total = 1 / a
    n = 0
    while term > total * 1e-17:
        n += 1
        term *= x / (a + n)
        total += term
    return total * math.exp(a * math.log(x) - x - math.lgamma(a))


def chi_squared_quantile(share, degrees):
    low, high = 0.0, 1000.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if chi_squared(middle, degrees) < share else (low, middle)
    return low


def consistency(share, degrees):
    """Croux & Haesbroeck 1999."""
    return 1.0 if share >= 1 else share / chi_squared(chi_squared_quantile(share, degrees), degrees + 2)


def normal_quantile(p):
    low, high = -40.0, 40.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erfc(-middle / math.sqrt(2)) / 2 < p else (low, middle)
    return low


def ranks(x):
    """Ties share their mean rank."""
    return np.array([(x < value).sum() + ((x == value).sum() + 1) / 2 for value in x])


def six_starts(z):
    """Hubert, Rousseeuw & Verdonck 2012, section 3: six estimates of the scatter of standardised rows. The spread of columns
    and projections is the MAD here and in the detector, Qn in the paper: it only chooses where the search begins."""
    n, p = z.shape
    corr = lambda y: np.corrcoef(y.T).reshape(p, p)
    yield corr(np.tanh(z))
    rank = np.apply_along_axis(ranks, 0, z)
    yield corr(rank)
    yield corr(np.vectorize(normal_quantile)((rank - 1 / 3) / (n + 1 / 3)))
    length = np.linalg.norm(z, axis=1, keepdims=True)
    unit = np.divide(z, length, out=np.zeros_like(z), where=length > 0)
    yield unit.T @ unit / n
    middle = z[np.argsort(length[:, 0], kind="stable")[: -(-n // 2)]]
    yield np.cov(middle.T, bias=True).reshape(p, p)
    gk = np.eye(p)
    for i in range(p):
        for j in range(i):
            plus, minus = mad(z[:, i] + z[:, j]) ** 2, mad(z[:, i] - z[:, j]) ** 2
            gk[i, j] = gk[j, i] = (plus - minus) / (plus + minus)
    yield gk


def mahalanobis(x, center, scatter):
    centred = x - center
    return np.einsum("ij,ij->i", centred, np.linalg.solve(scatter, centred.T).T)


def determined(scatter):
    """Whether of each column's variance more than 1e-8 is left, given the columns before it."""
    try:
        pivots = np.diag(np.linalg.cholesky(scatter)) ** 2
    except np.linalg.LinAlgError:
        return False
    return (pivots > 1e-8 * np.diag(scatter)).all()


def shrinkage(scatter):
    """The smallest ρ with which the eigenvalues of ρ·I + (1 − ρ)·S differ by no more than a factor of 50:
    ρ + (1 − ρ) largest = 50 (ρ + (1 − ρ) smallest)."""
    values = np.linalg.eigvalsh(scatter)
    missing = values[-1] - 50 * max(values[0], 0)
    return missing / (missing + 49) if missing > 0 else 0.0


def mixed(scatter, rho):
    return rho * np.eye(len(scatter)) + (1 - rho) * scatter


def robust_covariance(train, support):
    """Deterministic MCD: six starts, C-steps, the consistency factor and one reweighting step. Regularised as in Boudt,
    Rousseeuw, Vanduffel & Verdonck 2020, where there are fewer than five rows a column or the rows determine no covariance."""
    n, p = train.shape
    h = max(math.ceil(support * n), n // 2 + 1)
    scale = scaled(train, first_positive(1.482602218505602 * mad(train), train.std(axis=0)))
    z = scale(train)
    raw = consistency(h / n, p)
    moments = lambda rows: (z[rows].mean(axis=0), np.cov(z[rows].T, bias=True).reshape(p, p))
    nearest = lambda center, scatter, count: np.argsort(mahalanobis(z, center, scatter), kind="stable")[:count]

    def first(scatter):
        """The h rows nearest by mean and covariance of the half that this start calls nearest."""
        vectors = np.linalg.eigh(scatter)[1]
        spread = mad(z @ vectors)
        # A direction in which nothing varies has a scatter all the same.
        root = (vectors * np.maximum(spread, 1e-6 * spread.max())) @ vectors.T
        center = root @ median(z @ np.linalg.inv(root))
        center, scatter = moments(nearest(center, root @ root, -(-n // 2)))
        return nearest(center, scatter if determined(scatter) else mixed(scatter, shrinkage(scatter)), h)

    def concentrated(rows, rho):
        """C-steps; none if some subset determines no covariance."""
        while True:
            center, scatter = moments(rows)
            scatter = mixed(scatter * raw, rho)
            if not determined(scatter):
                return None
            following = nearest(center, scatter, h)
            if set(following) == set(rows):
                return np.linalg.det(scatter), center, scatter
            rows = following

    def reweighted(best):
        d = mahalanobis(z, best[1], best[2])
        within = (d <= chi_squared_quantile(0.975, p)).sum()
        return np.argsort(d, kind="stable")[: max(within, h)]

    starts = [first(scatter) for scatter in six_starts(z)]
    plain = [concentrated(rows, 0.0) for rows in starts] if n >= 5 * p else [None]
    if None not in plain:
        rows = reweighted(min(plain, key=lambda estimate: estimate[0]))
        # In the rows' own units: the distance depends on none.
        center, scatter = train[rows].mean(axis=0), np.cov(train[rows].T, bias=True).reshape(p, p)
        return lambda x: mahalanobis(np.atleast_2d(x), center, scatter * consistency(0.975, p))
    needed = [shrinkage(moments(rows)[1] * raw) for rows in starts]
    common = max(needed) if max(needed) <= 0.1 else max(0.1, np.median(needed))
    estimates = [concentrated(rows, common) for rows, own in zip(starts, needed) if own <= common]
    center, scatter = moments(reweighted(min(estimates, key=lambda estimate: estimate[0])))
    scatter = scatter * consistency(0.975, p)
    rho = shrinkage(scatter)
    print(f"  regularised by {rho:.3f}")
    return lambda x: mahalanobis(scale(x), center, mixed(scatter, rho))


# --- Ensemble -----------------------------------------------------------------------------------------------------


def surprise(training):
    """−log10 p of an outlyingness: p is the share of training rows above it and half of those equal to it, linear in between,
    up to the 95 % quantile q, and p(q) exp(−(a − q)/β) beyond it, with β the mean excess above q."""
    values, counts = np.unique(training, return_counts=True)
    above = counts[::-1].cumsum()[::-1] - counts
    p = (above + counts / 2) / len(training)
    ascending = np.sort(training)
    q = ascending[math.ceil(0.95 * len(training)) - 1]
    # Where no row is beyond q, the excess above the median is the scale; where none is beyond that, a hundredth of q.
    starts = [start for start in (q, ascending[len(training) // 2]) if (training > start).any()]
    beta = (training[training > starts[0]] - starts[0]).mean() if starts else abs(q) / 100 or 0.01
    at_q = p[values == q][0]

    def u(a):
        within = -np.log10(np.interp(np.minimum(a, q), values, p))
        return np.where(a < values[0], 0.0, np.where(a > q, (a - q) / beta * np.log10(np.e) - np.log10(at_q), within))

    return u


def ensemble(train, members, weights):
    """The weighted mean of the members' surprises, each calibrated on the training rows, which leave themselves out where they
    would be their own neighbours."""
    parts = []
    for kind, (fit, own) in members.items():
        outlyingness = fit(train)
        of_training = outlyingness(train, own=True) if own else outlyingness(train)
        parts.append((weights.get(kind, 1.0), outlyingness, surprise(of_training), of_training))
    whole = sum(weight for weight, _, _, _ in parts)

    def outlyingness(x, own=False):
        return sum(weight / whole * u(of_training if own else fitted(x)) for weight, fitted, u, of_training in parts)

    return outlyingness


# --- Cases --------------------------------------------------------------------------------------------------------


def rounded(x, digits=4):
    """Short numbers; what is written is what is computed with."""
    return np.round(x, digits)


def tables():
    """Names, training rows and queries: the training rows' own first, then some beyond them."""
    random = np.random.default_rng(20211103)

    def with_queries(train, more):
        return train, np.vstack([train[:10], rounded(more)])

    normal = random.normal(size=(120, 3)) @ np.array([[1.0, 0.6, 0.0], [0.0, 0.8, -0.5], [0.0, 0.0, 30.0]]) + [5, -2, 1e3]
    normal[:9] += [6, -6, 200]
    yield "normal", *with_queries(rounded(normal), random.normal(size=(10, 3)) * [4, 4, 120] + [5, -2, 1e3])

    # Skewed, heavy tails, ties, few distinct values, mostly one value, constant.
    mixed = np.column_stack([
        random.exponential(size=90),
        random.standard_t(2, size=90),
        np.round(random.normal(size=90), 1),
        random.integers(0, 4, size=90),
        np.where(np.arange(90) % 9 == 0, random.normal(size=90) + 3, 0.0),
        np.full(90, 7.0),
    ])
    more = np.column_stack([
        random.exponential(size=12) * 3,
        random.standard_t(1, size=12),
        np.round(random.normal(size=12) * 2, 1),
        random.integers(-1, 6, size=12),
        random.normal(size=12),
        np.full(12, 7.0),
    ])
    yield "mixed", *with_queries(rounded(mixed), more)

    # Two groups in one column.
    single = np.concatenate([random.normal(size=40), random.normal(size=25) * 0.1 + 6])[:, None]
    yield "one-column", *with_queries(rounded(single), np.array([[-9.0], [3.0], [5.5], [6.1], [20.0]]))

    # Few rows: fewer than neighbours are asked for.
    few = random.normal(size=(8, 2))
    yield "few-rows", *with_queries(rounded(few), np.array([[0.0, 0.0], [4.0, -4.0]]))

    # Nine columns that three factors make, and a little noise.
    factors = random.normal(size=(150, 3)) @ random.normal(size=(3, 9)) + 0.01 * random.normal(size=(150, 9))
    yield "factors", *with_queries(rounded(factors), factors[20:30] + random.normal(size=(10, 9)))

    # Fewer than five rows a column, and columns of which one follows from others.
    yield "few-factors", *with_queries(rounded(factors[:30]), factors[30:40])
    pairs = random.normal(size=(60, 2))
    collinear = np.column_stack([rounded(pairs), rounded(pairs).sum(axis=1)])
    yield "collinear", *with_queries(rounded(collinear), random.normal(size=(10, 3)))


def cases():
    """Detector, parameters as in the resource, the function, and which tables it is for."""
    yield "robustZScore", {}, robust_z_score, None
    yield "hbos", {}, hbos, None
    yield "ecod", {}, ecod, None
    yield "copod", {}, copod, None
    yield "nearestNeighbors", {"neighbors": 20}, lambda train: nearest_neighbors(train, 20), None
    yield "nearestNeighbors", {"neighbors": 3}, lambda train: nearest_neighbors(train, 3), ["normal", "mixed"]
    yield "localOutlierFactor", {"neighbors": 20}, lambda train: local_outlier_factor(train, 20), None
    yield "localOutlierFactor", {"neighbors": 5}, lambda train: local_outlier_factor(train, 5), ["normal", "one-column"]
    yield "principalComponents", {"variance": 0.999}, lambda train: principal_components(train, 0.999), None
    yield "principalComponents", {"variance": 0.8}, lambda train: principal_components(train, 0.8), ["normal", "factors"]
    covariance = lambda train: robust_covariance(train, 0.75)
    yield "robustCovariance", {"supportFraction": 0.75}, covariance, ["normal", "one-column", "factors", "few-rows", "few-factors", "collinear"]
    yield "robustCovariance", {"supportFraction": 0.6}, lambda train: robust_covariance(train, 0.6), ["normal"]
    for sample, level, seed, only in [
        (64, None, 3, ["normal", "mixed", "one-column", "few-rows", "collinear"]),
        (256, 1, 2**53 - 1, ["normal", "mixed", "factors"]),
        (33, 0, 0, ["mixed", "few-factors"]),
    ]:
        parameters = {"trees": 20, "sampleSize": sample, "seed": seed} | ({} if level is None else {"extensionLevel": level})
        forest = lambda train: extended_isolation_forest(train, 20, sample, level, seed)
        yield "extendedIsolationForest", parameters, forest, only
    columns = {"robustZScore": (robust_z_score, False), "hbos": (hbos, False), "ecod": (ecod, False)}
    yield "ensemble", {"members": {kind: {} for kind in columns}}, lambda train: ensemble(train, columns, {}), None
    shapes = {"robustCovariance": (covariance, False), "nearestNeighbors": (lambda train: nearest_neighbors(train, 20), True)}
    parameters = {"members": {kind: {} for kind in shapes}, "weights": {"nearestNeighbors": 2.0}}
    yield "ensemble", parameters, lambda train: ensemble(train, shapes, {"nearestNeighbors": 2.0}), ["normal", "factors", "few-factors"]


# Detectors for which a training row's own outlyingness is not that of a query like it.
OWN = {"nearestNeighbors", "localOutlierFactor", "ensemble"}


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json.gz"):
        old.unlink()
    for name, train, queries in tables():
        vectors = []
        for detector, parameters, fit, only in cases():
            if only is None or name in only:
                outlyingness = fit(train)
                vector = {"detector": {detector: parameters}, "queries": outlyingness(queries).tolist()}
                vector["training"] = (outlyingness(train, own=True) if detector in OWN else outlyingness(train)).tolist()
                vectors.append(vector)
        case = {"training": train.tolist(), "queries": queries.tolist(), "vectors": vectors}
        text = json.dumps(case, separators=(",", ":")) + "\n"
        # No time in the file: the same numbers, the same bytes.
        (folder / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
        print(f"{name}: {len(train)} rows, {len(queries)} queries, {len(vectors)} detectors")


if __name__ == "__main__":
    main(sys.argv[1])
