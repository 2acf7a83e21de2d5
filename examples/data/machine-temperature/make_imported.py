#!/usr/bin/env python3
"""Trains a forest in scikit-learn on the quick start's hours, and writes what examples/imported.yaml serves of it.

    python3 -m pip install scikit-learn
    python3 examples/data/machine-temperature/make_imported.py

forest.json.gz is the exported model, examples/imported.yaml a manifest that holds it, and scores.csv what scikit-learn
itself answers for every sixth hour of the series: whoever serves the model must give these scores and verdicts.
"""

import base64
import csv
import sys
from pathlib import Path

import numpy as np
from sklearn.ensemble import IsolationForest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "python"))

from anomaly_operator import export  # noqa: E402
from make_example import TRAIN_FROM, TRAIN_TO  # noqa: E402

FOREST = HERE / "forest.json.gz"
TEMPLATE = HERE / "imported.template.yaml"
IMPORTED = HERE.parents[1] / "imported.yaml"


def main():
    with (HERE / "hourly.csv").open(newline="") as file:
        hours = list(csv.DictReader(file))
    values = lambda rows: np.array([[float(row["mean"]), float(row["sd"])] for row in rows])
    train = values(row for row in hours if TRAIN_FROM <= row["timestamp"] <= TRAIN_TO)
    model = IsolationForest(n_estimators=50, contamination=0.02, random_state=16).fit(train)
    export(model, train, FOREST, features=["mean", "sd"])

    block = base64.encodebytes(FOREST.read_bytes()).decode().replace("\n", "\n    ").strip()
    IMPORTED.write_text(TEMPLATE.read_text().replace("{forest}", block))

    asked = hours[::6]
    answers = zip(model.score_samples(values(asked)), model.predict(values(asked)))
    with (HERE / "scores.csv").open("w") as file:
        file.write("timestamp,mean,sd,score_samples,predict\n")
        for row, (score, predict) in zip(asked, answers):
            file.write(f"{row['timestamp']},{row['mean']},{row['sd']},{float(score)!r},{predict}\n")


if __name__ == "__main__":
    main()
