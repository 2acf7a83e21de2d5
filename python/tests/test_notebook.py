"""The notebook runs to its end: it compares the served scores with scikit-learn's itself."""

import json
import os
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ExecutePreprocessor

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("ANOMALY_PROGRAMS", ROOT / "target" / "debug"))
NOTEBOOK = ROOT / "notebooks" / "anomaly_training.ipynb"


def test_the_notebook_trains_exports_serves_and_finds_equal_scores():
    missing = [program for program in ("anomaly", "anomaly-server") if not (PROGRAMS / program).exists()]
    assert not missing, f"no {missing} in {PROGRAMS}: cargo build -p cli -p server"
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    ExecutePreprocessor(timeout=60, kernel_name="python3").preprocess(notebook, {"metadata": {"path": NOTEBOOK.parent}})
    printed = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    assert "scores differ by less than 1e-12" in printed
    assert any("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))


def test_the_committed_notebook_has_no_output():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
