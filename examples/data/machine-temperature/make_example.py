#!/usr/bin/env python3
"""Derives hourly.csv from the raw readings, and examples/quickstart.yaml from that.

    python3 examples/data/machine-temperature/make_example.py

Needs nothing but Python 3. A test of the crate `cli` derives both once more, on its own, and compares.
"""

import csv
import math
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
RAW = HERE / "machine_temperature_system_failure.csv"
HOURLY = HERE / "hourly.csv"
TEMPLATE = HERE / "quickstart.template.yaml"
QUICKSTART = HERE.parent.parent / "quickstart.yaml"

READINGS_PER_HOUR = 12  # one every five minutes; hours with more or fewer are left out

# The hours between the end of the second and the start of the third labelled anomaly (labels.json), so that the
# model learns from ordinary operation and the failure at the end of the series is news to it.
TRAIN_FROM = "2013-12-17 18:00:00"
TRAIN_TO = "2014-01-27 13:00:00"


def hourly():
    """(hour, mean, population standard deviation) of every complete hour, in order."""
    hours = defaultdict(list)
    with RAW.open(newline="") as file:
        for row in csv.DictReader(file):
            hours[row["timestamp"][:13] + ":00:00"].append(float(row["value"]))
    for hour in sorted(hours):
        values = hours[hour]
        if len(values) == READINGS_PER_HOUR:
            mean = math.fsum(values) / READINGS_PER_HOUR
            variance = math.fsum((x - mean) ** 2 for x in values) / READINGS_PER_HOUR
            yield f"{hour},{mean:.4f},{math.sqrt(variance):.4f}"


def main():
    header = "timestamp,mean,sd"
    rows = list(hourly())
    HOURLY.write_text("\n".join([header, *rows]) + "\n")
    train = [row for row in rows if TRAIN_FROM <= row[:19] <= TRAIN_TO]
    block = "\n".join("    " + row for row in [header, *train])
    QUICKSTART.write_text(TEMPLATE.read_text().replace("    {train.csv}", block))


if __name__ == "__main__":
    main()
