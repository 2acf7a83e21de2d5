#!/usr/bin/env python3
"""TreeSHAP values of two forests in ../sklearn, to hold explanations against.

    python3 -m venv venv && venv/bin/pip install shap==0.51.0 && venv/bin/python make_treeshap.py

Explained is the mean path length, with the distribution of the training rows over the nodes
(feature_perturbation="tree_path_dependent"). Written are contributions with our sign, positive = more anomalous (a
shorter path): one CSV a forest, a line a query, a column a feature, five digits.
"""

import gzip
import json
import pathlib

import numpy as np
import shap

HERE = pathlib.Path(__file__).resolve().parent
FORESTS = ["breast-cancer", "wine-bootstrap-small"]


def c(n):
    """The mean path length of n rows that a leaf did not separate."""
    if n <= 1:
        return 0.0
    return 1.0 if n == 2 else 2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n


def tree_of(given, trees):
    """One tree in the form that shap reads; values are path lengths, divided by the number of trees."""
    left, right, feature = (np.array(given[name]) for name in ["children_left", "children_right", "feature"])
    samples = np.array(given["n_node_samples"], dtype=float)
    depth, values = np.zeros(len(left)), np.zeros(len(left))
    for node in range(len(left)):  # scikit-learn numbers nodes in preorder
        for child in (left[node], right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1
    for node in reversed(range(len(left))):
        if left[node] < 0:
            values[node] = depth[node] + c(samples[node])
        else:
            children = [left[node], right[node]]
            values[node] = np.average(values[children], weights=samples[children])
    columns = np.array(given["features"])
    return {
        "children_left": left,
        "children_right": right,
        "children_default": left,
        "features": np.where(feature >= 0, columns[feature], -2),
        "thresholds": np.array(given["threshold"], dtype=float),
        "values": (values / trees).reshape(-1, 1),
        "node_sample_weight": samples,
    }


def main():
    for name in FORESTS:
        case = json.loads(gzip.decompress((HERE / "../sklearn" / f"{name}.json.gz").read_bytes()))
        given = case["model"]["trees"]
        trees = [tree_of(tree, len(given)) for tree in given]
        model = {"trees": trees, "internal_dtype": np.float64, "input_dtype": np.float32}
        explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
        queries = np.array(case["queries"]).astype(np.float32)
        values = -explainer.shap_values(queries, check_additivity=False)
        baseline = sum(tree["values"][0, 0] for tree in trees)
        lengths = -np.log2(-np.array(case["score_samples"])) * c(case["model"]["max_samples"])
        assert np.allclose(values.sum(axis=1), baseline - lengths, atol=1e-9), name
        lines = [",".join(f"{value:.5g}" for value in row) for row in values]
        (HERE / f"{name}.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
