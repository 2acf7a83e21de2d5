"""This project's side: a program that answers a line for each line, and waits while others are measured."""

import json
import math
import pathlib
import subprocess

import numpy as np


def mean_path_length(n):
    """c(n), as scikit-learn computes it."""
    if n <= 1:
        return 0.0
    return 1.0 if n == 2 else 2.0 * (math.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n


def dump(forest, file):
    """A scikit-learn forest as plain arrays."""
    trees = []
    sizes = {int(forest.max_samples_)}
    for tree, features in zip(forest.estimators_, forest.estimators_features_):
        tree = tree.tree_
        sizes.update(tree.n_node_samples.tolist())
        trees.append({
            "features": features.tolist(), "children_left": tree.children_left.tolist(),
            "children_right": tree.children_right.tolist(), "feature": tree.feature.tolist(),
            "threshold": tree.threshold.tolist(), "n_node_samples": tree.n_node_samples.tolist()})
    plain = {
        "n_features_in": forest.n_features_in_, "max_samples": int(forest.max_samples_), "offset": float(forest.offset_),
        "c": [[n, mean_path_length(n)] for n in sorted(sizes)], "trees": trees}
    pathlib.Path(file).write_text(json.dumps(plain))


class Ours:
    name = "this project"

    def __init__(self, program, folder):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.folder, self.kernel = folder, "chosen"

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the program ended at: {line}")
        return answer.strip()

    def seconds(self, line):
        return int(self.ask(line)) / 1e9

    def load(self, forest, rows):
        if forest is not None:
            dump(forest, f"{self.folder}/forest.json")
            self.ask(f"forest {self.folder}/forest.json")
        rows.astype("<f4").tofile(f"{self.folder}/rows")
        self.ask(f"rows {self.folder}/rows {rows.shape[1]}")
        pathlib.Path(f"{self.folder}/rows").unlink()

    def results(self, rows):
        """Scores and verdicts (anomalies) of the first rows, as they were scored last."""
        self.ask(f"results {self.folder}/results")
        data = pathlib.Path(f"{self.folder}/results").read_bytes()
        n = len(data) // 9
        return np.frombuffer(data, "<f8", n)[:rows], np.frombuffer(data, np.uint8, n, 8 * n)[:rows] == 1

    def close(self):
        self.process.stdin.close()
        self.process.wait()
