"""Hands a scikit-learn IsolationForest to the Anomaly Operator: plain numbers as JSON, no pickle.

    from anomaly_operator import export
    export(model, X, "model.json.gz")

What is written scores as scikit-learn does: sums of path lengths to the last bit, scores to 1e-12, every verdict. The
file proves that to whoever reads it by rows of which it tells the results ("golden rows"). docs/import.md describes it.
"""

import gzip
import json
import platform
import warnings

import numpy as np

__all__ = ["export"]

FORMAT = "anomaly-operator/isolation-forest"
VERSION = 1

# Beyond these, outlyingness is told by so many of its quantiles.
MOST_CALIBRATION = 10_000
# A sample of training rows says how rare a score is if it has at least so many.
FEWEST_SAMPLED = 1_000
MOST_GOLDEN_ROWS = 64
MOST_GOLDEN_VALUES = 16_384
# Drift is measured of so many columns, in so many bins.
MOST_COLUMNS = 1_024
MOST_BINS = 10
FLOAT32_MAX = float(np.finfo(np.float32).max)


def export(model, X=None, path=None, *, features=None, missing=None, non_finite="refuse"):
    """Writes a fitted IsolationForest to `path` (compressed if that ends in .gz) and returns what was written, a dict.

    X           the rows the model was trained on, shape (n, d), or a sample of at least 1,000 of them. They say how rare
                a score is; without them the model is served without severities. Up to 64 of them are in the file.
    features    the columns' names; by default those of the DataFrame that the model was trained on, else x0, x1, …
    missing     "refuse" or "route": what becomes of rows with NaN. By default "route" if there are NaN in X.
    non_finite  "refuse" or "route": what becomes of rows with infinities (and what is one in 32 bits).
    """
    _check_model(model)
    table = None if X is None else _table(model, X)
    if missing is None:
        missing = "route" if table is not None and np.isnan(table).any() else "refuse"
    for name, choice in [("missing", missing), ("non_finite", non_finite)]:
        if choice not in ("refuse", "route"):
            raise ValueError(f'{name} is {choice!r}: expected "refuse" or "route"')
    forest = _Forest(model)
    scores = None if table is None else _scores(model, table)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "library": _versions(),
        "features": _names(model, features),
        "n_features_in": int(model.n_features_in_),
        "max_samples": int(model.max_samples_),
        "offset": float(model.offset_),
        "depth_cut": forest.cut,
        "missing": missing,
        "non_finite": non_finite,
        "c": [[int(n), float(forest.c[n])] for n in sorted(forest.c)],
        "trees": forest.arrays(),
        "golden": _golden(model, forest, table, scores, missing == "route"),
    }
    if table is not None:
        document["calibration"] = _calibration(table, scores)
    if path is not None:
        _write(document, path)
    return document


class _Forest:
    """What scikit-learn's score_samples computes with, taken apart."""

    def __init__(self, model):
        # The very function that scikit-learn calls: no logarithm of anybody else enters a sum.
        from sklearn.ensemble._iforest import _average_path_length

        self.model = model
        whole = all(len(columns) == model.n_features_in_ for columns in model.estimators_features_)
        identity = np.arange(model.n_features_in_)
        # A tree that sees all columns sees them in the forest's order, whatever order was drawn.
        self.columns = [identity if whole else np.asarray(columns) for columns in model.estimators_features_]
        self.trees = [estimator.tree_ for estimator in model.estimators_]
        sizes = np.unique(np.concatenate([tree.n_node_samples for tree in self.trees] + [[int(model.max_samples_)]]))
        self.c = dict(zip(sizes.tolist(), _average_path_length(sizes).tolist()))
        self.denominator = len(self.trees) * _average_path_length([int(model.max_samples_)])
        self.values = [
            tree.compute_node_depths() + np.array([self.c[n] for n in tree.n_node_samples.tolist()]) - 1.0
            for tree in self.trees
        ]
        self.cut = self._cut()

    def sums(self, rows):
        """Sums of path lengths, in f64 and in the order of the trees, of rows of shape (n, d)."""
        rows = _to_float32(rows)
        sums = np.zeros(len(rows))
        for tree, columns, values in zip(self.trees, self.columns, self.values):
            sums += values[tree.apply(np.ascontiguousarray(rows[:, columns]))]
        return sums

    def scores(self, sums):
        """scikit-learn's own expression."""
        sums = np.asarray(sums, dtype=float)
        ratio = np.divide(sums, self.denominator, out=np.ones_like(sums), where=self.denominator != 0)
        return -(2.0 ** -ratio)

    def _is_inlier(self, total):
        return not (self.scores([total]) - self.model.offset_ < 0)[0]

    def _cut(self):
        """The smallest sum that is an inlier's, by bisection over the floats from 0 on; None if no sum is."""
        below, at = 0, int(np.float64(np.inf).view(np.int64)) - 1
        number = lambda bits: float(np.int64(bits).view(np.float64))  # (in the order of their bits)
        if self._is_inlier(0.0):
            return 0.0
        if not self._is_inlier(number(at)):
            return None
        while at - below > 1:
            middle = (below + at) // 2
            below, at = (below, middle) if self._is_inlier(number(middle)) else (middle, at)
        return number(at)

    def arrays(self):
        """One dict a tree: scikit-learn's arrays, an entry a node."""
        return [
            {
                "features": columns.tolist(),
                "children_left": tree.children_left.tolist(),
                "children_right": tree.children_right.tolist(),
                "feature": tree.feature.tolist(),
                "threshold": tree.threshold.tolist(),
                "missing_go_to_left": tree.missing_go_to_left.astype(int).tolist(),
                "n_node_samples": tree.n_node_samples.tolist(),
            }
            for tree, columns in zip(self.trees, self.columns)
        ]

    def moved(self, row, which):
        """The row on a threshold that it meets on its way, one float32 below and one above; none if it meets none."""
        index = which % len(self.trees)
        tree, columns = self.trees[index], self.columns[index]
        path = tree.decision_path(np.ascontiguousarray(_to_float32(row[None, :])[:, columns])).indices
        splits = [node for node in path if tree.children_left[node] >= 0]
        if not splits:
            return []
        split = splits[which % len(splits)]
        with np.errstate(over="ignore"):
            onto = np.float32(tree.threshold[split])
        if onto > tree.threshold[split]:
            onto = np.nextafter(onto, np.float32(-np.inf))
        with np.errstate(over="ignore"):
            places = [onto, np.nextafter(onto, np.float32(-np.inf)), np.nextafter(onto, np.float32(np.inf))]
        moved = [row.copy() for _ in places]
        for copy, place in zip(moved, places):
            copy[columns[tree.feature[split]]] = place
        return moved


def _check_model(model):
    from sklearn.ensemble import IsolationForest
    from sklearn.utils.validation import check_is_fitted

    if not isinstance(model, IsolationForest):
        raise TypeError(
            f"expected a scikit-learn IsolationForest, got {type(model).__name__}: of a pipeline, export the forest, "
            "trained on the columns as they will be sent (a forest needs no scaling)"
        )
    check_is_fitted(model)


def _table(model, X):
    """X as an f64 array of the model's columns."""
    trained, given = getattr(model, "feature_names_in_", None), getattr(X, "columns", None)
    if trained is not None and given is not None and list(map(str, given)) != list(trained):
        raise ValueError(f"X has the columns {list(given)}: expected {list(trained)}, in the order of the training")
    table = np.asarray(X.to_numpy() if hasattr(X, "to_numpy") else X, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] != model.n_features_in_ or len(table) == 0:
        raise ValueError(f"X has shape {table.shape}: expected rows of {model.n_features_in_} columns")
    trained = getattr(model, "_n_samples", len(table))
    if len(table) < min(FEWEST_SAMPLED, trained):
        raise ValueError(
            f"X has {len(table)} of {trained} training rows: give all of them or a sample of at least {FEWEST_SAMPLED}"
        )
    return table


def _to_float32(rows):
    with np.errstate(over="ignore"):
        return np.asarray(rows, dtype=np.float64).astype(np.float32)


def _names(model, features):
    if features is None:
        features = getattr(model, "feature_names_in_", [f"x{column}" for column in range(model.n_features_in_)])
    names = [str(name) for name in features]
    if len(names) != model.n_features_in_ or len(set(names)) != len(names) or "" in names:
        raise ValueError(f"features are {names}: expected {model.n_features_in_} different names")
    return names


def _versions():
    import sklearn

    return {"scikit-learn": sklearn.__version__, "numpy": np.__version__, "python": platform.python_version()}


def _scores(model, rows):
    with warnings.catch_warnings():
        # (a model that was trained on a DataFrame warns of rows without names)
        warnings.simplefilter("ignore", UserWarning)
        with np.errstate(over="ignore"):
            return model.score_samples(rows)


def _calibration(table, scores):
    """How rare a score is, and where the rows lay."""
    outlyingness = np.sort(-scores)
    if len(outlyingness) > MOST_CALIBRATION:
        ranks = np.linspace(0, len(outlyingness) - 1, MOST_CALIBRATION)
        outlyingness = outlyingness[np.round(ranks).astype(int)]
    calibration = {"rows": len(table), "outlyingness": outlyingness.tolist()}
    # Of columns without any number, or with infinities, there is no distribution to tell.
    if not np.isinf(_to_float32(table)).any() and not np.isnan(table).all(axis=0).any():
        calibration["columns"] = [_column(values) for values in table.T[:MOST_COLUMNS]]
    return calibration


def _column(values):
    """Quantiles of a column, and the rows in bins between its deciles: what drift is measured against."""
    known = np.sort(values[~np.isnan(values)])
    quantile = lambda part, whole: float(known[max(1, -(-part * len(known) // whole)) - 1])
    edges = sorted({quantile(tenth, MOST_BINS) + 0.0 for tenth in range(1, MOST_BINS)})
    # A bin that holds one value only says nothing of what is below it.
    with np.errstate(over="ignore"):
        below = float(np.nextafter(np.float32(known[0]), np.float32(-np.inf)))
    if edges[0] == known[0] and len(edges) + 1 < MOST_BINS and np.isfinite(below):
        edges.insert(0, below)
    bins = np.searchsorted(edges, known, side="left")
    return {
        "min": float(known[0]),
        "low": quantile(1, 100),
        "median": quantile(50, 100),
        "high": quantile(99, 100),
        "max": float(known[-1]),
        "edges": edges,
        "counts": np.bincount(bins, minlength=len(edges) + 1).tolist(),
        "missing": int(len(values) - len(known)),
    }


def _golden(model, forest, table, scores, routes_missing):
    """Rows with their results: nearest to the threshold, with missing values, extremes, quantiles of the score, and
    those on, one float32 step below and above thresholds on their own path."""
    rows = _stand_ins(model, forest) if table is None else table
    finite = np.isfinite(_to_float32(rows)).all(axis=1)
    if not finite.any():
        rows, finite, scores = np.zeros((1, model.n_features_in_)), [True], None
    rows, scores = rows[finite], (_scores(model, rows) if scores is None else scores)[finite]
    ranked = np.argsort(scores, kind="stable")
    nearest = rows[np.argmin(np.abs(scores - model.offset_))]
    quantiles = [rows[ranked[step * (len(rows) - 1) // 15]] for step in range(16)]
    moved = [forest.moved(row, which) for which, row in enumerate(quantiles)]
    chosen = [nearest]
    if routes_missing:
        lacking = nearest.copy()
        lacking[0] = np.nan
        chosen += [lacking, np.full(model.n_features_in_, np.nan)]
    chosen += [np.full(model.n_features_in_, extreme) for extreme in (-FLOAT32_MAX, FLOAT32_MAX, 0.0)]
    # The rows as they are, before they are moved: there is no room for all.
    chosen += quantiles + [places[step] for step in range(3) for places in moved if places]
    chosen = [row for row in chosen if not (np.abs(row) > FLOAT32_MAX).any()]
    chosen = np.array(chosen[: max(2, min(MOST_GOLDEN_ROWS, MOST_GOLDEN_VALUES // model.n_features_in_))])
    return _proven(model, forest, chosen)


def _proven(model, forest, rows):
    """The rows with their results, which are scikit-learn's own."""
    sums, expected = forest.sums(rows), _scores(model, rows)
    scores = forest.scores(sums)
    inliers = sums >= (np.inf if forest.cut is None else forest.cut)
    decisions = expected - model.offset_
    told = np.abs(decisions) > 1e-12
    if np.abs(scores - expected).max() > 1e-12 or (inliers[told] != (decisions[told] >= 0)).any():
        raise RuntimeError("this scikit-learn does not score as those that this exporter knows: please report its version")
    return [
        {
            "values": [None if np.isnan(value) else float(value) for value in row],
            "depth_sum": float(total),
            "score": float(score),
            "is_inlier": bool(inlier),
        }
        for row, total, score, inlier in zip(rows, sums, expected, inliers)
    ]


def _stand_ins(model, forest):
    """Rows in place of unknown training rows: each value near one of the thresholds of its column."""
    thresholds = [[0.0] for _ in range(model.n_features_in_)]
    for tree, columns in zip(forest.trees, forest.columns):
        for node in np.flatnonzero(tree.children_left >= 0):
            thresholds[columns[tree.feature[node]]].append(float(tree.threshold[node]))
    random = np.random.RandomState(0)
    drawn = [np.asarray(values)[random.randint(len(values), size=256)] for values in thresholds]
    return np.clip(np.array(drawn).T, -FLOAT32_MAX, FLOAT32_MAX)


def _write(document, path):
    text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
    if str(path).endswith(".gz"):
        # Without a time, so that the same model gives the same file.
        text = gzip.compress(text, 9, mtime=0)
    with open(path, "wb") as file:
        file.write(text)
