"""AUROC of isotree's extended isolation forest on the labelled sets, which the tests compare ours with.

    python isotree_auroc.py FOLDER     # of *.npz; writes FOLDER/isotree-auroc.csv

100 trees of 256 rows, random normals from the normal distribution over standardised columns, no choice of better
splits, fitted and scored on all rows; ndim is the number of columns of a split. isotree differs from the paper, and from
ours, in two ways that cannot be switched off: it standardises in each node anew, and its hyperplanes always divide their rows.
"""

import sys
from pathlib import Path

import numpy as np
from isotree import IsolationForest

SEEDS = range(1, 11)


def auroc(scores, labels):
    """The share of pairs of an anomaly and another row that are in order; equal scores count half."""
    values, at = np.unique(scores, return_inverse=True)
    count = np.bincount(at, minlength=len(values))
    anomalies = np.bincount(at, weights=labels, minlength=len(values))
    others = count - anomalies
    below = np.cumsum(others) - others
    return (anomalies * (below + others / 2)).sum() / (anomalies.sum() * others.sum())


def run(x, y, ndim, seed):
    forest = IsolationForest(
        ndim=ndim, ntrees=100, sample_size=min(256, len(x)), standardize_data=True, coefs="normal",
        prob_pick_avg_gain=0, prob_pick_pooled_gain=0, missing_action="fail", penalize_range=False,
        random_seed=seed, nthreads=1,
    )
    return auroc(forest.fit(x).predict(x), y)


def main(folder):
    lines = ["dataset,features,ndim,auroc_mean,auroc_sd"]
    for file in sorted(Path(folder).glob("*.npz")):
        data = np.load(file)
        x, y = data["X"], data["y"]
        for ndim in (2, x.shape[1]):
            found = [run(x, y, ndim, seed) for seed in SEEDS]
            lines.append(f"{file.stem},{x.shape[1]},{ndim},{np.mean(found):.5f},{np.std(found, ddof=1):.5f}")
            print(lines[-1], flush=True)
    (Path(folder) / "isotree-auroc.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
