"""What is exported is what scikit-learn computes. The fixtures of the other end, which reads it, are in detectors/tests."""

import gzip
import json

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from anomaly_operator import export


def rows(count=1_500, columns=3, seed=0):
    return np.random.RandomState(seed).normal(size=(count, columns)) * [10.0**column for column in range(columns)]


def fitted(table, **parameters):
    return IsolationForest(random_state=1, **{"n_estimators": 20, **parameters}).fit(table)


def scored_from(document, table):
    """Scores from nothing but the document, node by node: sums of path lengths."""
    lengths, sums = dict(map(tuple, document["c"])), np.zeros(len(table))
    for index, row in enumerate(table.astype(np.float32)):
        for tree in document["trees"]:
            node, depth = 0, 0
            while tree["children_left"][node] >= 0:
                value = row[tree["features"][tree["feature"][node]]]
                left = tree["missing_go_to_left"][node] if np.isnan(value) else float(value) <= tree["threshold"][node]
                node = tree["children_left" if left else "children_right"][node]
                depth += 1
            sums[index] += (depth + 1 + lengths[tree["n_node_samples"][node]]) - 1.0
    return sums


CASES = {
    "default": {},
    "contamination": {"contamination": 0.05},
    "some columns a tree": {"max_features": 0.67},
    "bootstrap": {"bootstrap": True, "max_samples": 64},
    "deep": {"max_samples": 1_000},
}


@pytest.mark.parametrize("parameters", CASES.values(), ids=CASES)
def test_the_document_alone_gives_scikit_learns_scores_and_verdicts(parameters):
    table = rows()
    model = fitted(table, **parameters)
    document = export(model, table)
    sums = scored_from(document, table[:300])
    denominator = len(document["trees"]) * dict(map(tuple, document["c"]))[document["max_samples"]]
    assert np.abs(-(2.0 ** -(sums / denominator)) - model.score_samples(table[:300])).max() <= 1e-12
    assert (np.where(sums < document["depth_cut"], -1, 1) == model.predict(table[:300])).all()


def test_the_cut_is_the_smallest_sum_that_scikit_learn_calls_an_inlier():
    model = fitted(rows(), contamination=0.1)
    document = export(model)
    denominator = len(document["trees"]) * dict(map(tuple, document["c"]))[document["max_samples"]]
    decision = lambda total: (-(2.0 ** -(np.array([total]) / denominator)) - model.offset_)[0]
    cut = document["depth_cut"]
    assert decision(cut) >= 0 > decision(np.nextafter(cut, 0))


@pytest.mark.parametrize("with_rows", [True, False], ids=["with training rows", "without"])
def test_golden_rows_are_as_the_document_scores_them_and_of_both_verdicts(with_rows):
    table = rows()
    document = export(fitted(table, contamination=0.1), table if with_rows else None)
    golden = document["golden"]
    values = np.array([row["values"] for row in golden], dtype=float)
    assert 48 <= len(golden) <= 64
    assert scored_from(document, values).tolist() == [row["depth_sum"] for row in golden]
    assert {row["is_inlier"] for row in golden} == {True, False}
    # Some stand on thresholds, and one float32 step away.
    thresholds = {np.float32(value) for tree in document["trees"] for value in tree["threshold"]}
    near = {np.nextafter(value, np.float32(side)) for value in thresholds for side in (-np.inf, np.inf)} | thresholds
    assert sum(any(np.float32(value) in near for value in row) for row in values) >= 30


@pytest.mark.parametrize("missing", ["refuse", "route"])
def test_all_sixteen_quantiles_of_the_score_and_the_row_nearest_to_the_threshold_are_golden_rows(missing):
    table = rows(101_000)
    model = fitted(table, contamination=0.1)
    golden = {tuple(row["values"]) for row in export(model, table, missing=missing)["golden"]}
    scores = model.score_samples(table)
    ranked = np.argsort(scores, kind="stable")
    for step in range(16):
        assert tuple(table[ranked[step * (len(table) - 1) // 15]]) in golden, f"quantile {step} of 15"
    assert tuple(table[np.argmin(np.abs(scores - model.offset_))]) in golden


class Frame:
    """What is used of a DataFrame."""

    def __init__(self, table, columns):
        self.table, self.columns = table, columns

    def to_numpy(self):
        return self.table


def test_columns_in_another_order_than_the_models_are_refused_as_scikit_learn_does():
    table = rows()
    model = fitted(table)
    model.feature_names_in_ = np.array(["a", "b", "c"], dtype=object)
    assert export(model, Frame(table, ["a", "b", "c"]))["features"] == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"X has the columns \['b', 'a', 'c'\]: expected \['a', 'b', 'c'\]"):
        export(model, Frame(table[:, [1, 0, 2]], ["b", "a", "c"]))
    # A model that was trained without names knows of no order.
    export(fitted(table), Frame(table, ["b", "a", "c"]))


def test_missing_values_in_training_are_routed_and_have_golden_rows():
    table = rows()
    table[::7, 1] = np.nan
    document = export(fitted(table), table)
    assert document["missing"] == "route"
    assert any(None in row["values"] for row in document["golden"])
    assert document["calibration"]["columns"][1]["missing"] == np.isnan(table[:, 1]).sum()
    assert export(fitted(rows()), rows())["missing"] == "refuse"


def test_the_calibration_is_the_outlyingness_of_the_rows_given():
    table = rows()
    model = fitted(table)
    calibration = export(model, table)["calibration"]
    assert calibration["rows"] == len(table)
    assert calibration["outlyingness"] == np.sort(-model.score_samples(table)).tolist()
    column = calibration["columns"][2]
    assert sum(column["counts"]) == len(table) and column["min"] == table[:, 2].min()
    assert column["counts"][0] == (table[:, 2] <= column["edges"][0]).sum()
    assert "calibration" not in export(model)


def test_many_rows_are_told_by_ten_thousand_quantiles():
    table = rows(20_001)
    model = fitted(table)
    calibration, scores = export(model, table)["calibration"], np.sort(-model.score_samples(table))
    assert calibration["rows"] == 20_001 and len(calibration["outlyingness"]) == 10_000
    assert calibration["outlyingness"][0] == scores[0] and calibration["outlyingness"][-1] == scores[-1]


def test_the_same_model_gives_the_same_file_and_the_name_decides_whether_it_is_compressed(tmp_path):
    table = rows()
    model = fitted(table)
    for name in ["a.json.gz", "b.json.gz", "plain.json"]:
        document = export(model, table, tmp_path / name)
    compressed = (tmp_path / "a.json.gz").read_bytes()
    assert compressed == (tmp_path / "b.json.gz").read_bytes()
    assert gzip.decompress(compressed) == (tmp_path / "plain.json").read_bytes()
    assert json.loads((tmp_path / "plain.json").read_text()) == document


def test_names_come_from_the_argument_or_are_made_up():
    model = fitted(rows())
    assert export(model)["features"] == ["x0", "x1", "x2"]
    assert export(model, features=["a", "b", "c"])["features"] == ["a", "b", "c"]
    for names in (["a", "b"], ["a", "a", "b"], ["a", "b", ""]):
        with pytest.raises(ValueError, match="different names"):
            export(model, features=names)


def test_what_cannot_be_exported_is_refused_with_what_is_expected():
    table = rows()
    with pytest.raises(TypeError, match="expected a scikit-learn IsolationForest, got Pipeline"):
        export(make_pipeline(StandardScaler(), IsolationForest()).fit(table))
    with pytest.raises(TypeError, match="got LinearRegression"):
        export(LinearRegression())
    with pytest.raises(ValueError, match="expected rows of 3 columns"):
        export(fitted(table), table[:, :2])
    with pytest.raises(ValueError, match="X has 10 of 1500 training rows"):
        export(fitted(table), table[:10])
    with pytest.raises(ValueError, match='missing is "drop"|missing is \'drop\''):
        export(fitted(table), missing="drop")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_forests_of_hardly_any_rows_can_be_exported(count):
    table = rows(count)
    document = export(fitted(table), table)
    assert len(document["golden"]) >= 2 and document["calibration"]["rows"] == count
