"""Other programs that score and fit isolation forests, each behind the same three methods.

`score(rows, threads)` gives scores and verdicts of f32 rows, row after row; `fit(rows)` trains as many trees on as many rows
each; `same_forest` says whether the peer scores scikit-learn's forest or, where it cannot read one, a forest of its own with
the same parameters and data. A peer that cannot be had raises when it is made, and is left out with its reason.
"""

import glob
import shutil
import subprocess
import tempfile

import numpy as np


class Sklearn:
    name, same_forest = "scikit-learn", True

    def __init__(self, forest, rows):
        self.forest = forest

    def score(self, rows, threads):
        import joblib

        with joblib.parallel_config("threading", n_jobs=threads):
            scores = self.forest.score_samples(rows)
        return scores, scores < self.forest.offset_

    def fit(self, rows):
        from sklearn.base import clone

        clone(self.forest).fit(rows)


class Isotree:
    name, same_forest = "isotree (ndim=1)", False

    def __init__(self, forest, rows):
        self.trees, self.sample = forest.n_estimators, forest.max_samples_
        self.forests = {threads: self.new(threads).fit(np.asfortranarray(rows, dtype=np.float64)) for threads in (1, 2)}

    def new(self, threads):
        import isotree

        return isotree.IsolationForest(
            ntrees=self.trees, sample_size=self.sample, ndim=1, missing_action="fail", nthreads=threads, random_seed=1,
            standardize_data=False)

    def score(self, rows, threads):
        scores = self.forests[threads].predict(rows)
        return scores, scores > 0.5

    def layout(self, rows):
        return np.asfortranarray(rows, dtype=np.float64)

    def fit(self, rows):
        self.new(1).fit(rows)


class Onnxruntime:
    name, same_forest = "onnxruntime", True

    def __init__(self, forest, rows):
        import onnxruntime
        import skl2onnx
        from skl2onnx.common.data_types import FloatTensorType

        columns = rows.shape[1]
        model = skl2onnx.to_onnx(
            forest, initial_types=[("rows", FloatTensorType([None, columns]))], target_opset={"": 15, "ai.onnx.ml": 3})
        self.sessions = {}
        for threads in (1, 2):
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
            options.log_severity_level = 3
            self.sessions[threads] = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def score(self, rows, threads):
        labels, scores = self.sessions[threads].run(None, {"rows": rows})
        return scores[:, 0], labels[:, 0] < 0


class Coniferest:
    name, same_forest = "coniferest", False

    def __init__(self, forest, rows):
        self.trees, self.sample, self.offset = forest.n_estimators, forest.max_samples_, forest.offset_
        self.forests = {threads: self.new(threads).fit(rows) for threads in (1, 2)}

    def new(self, threads):
        from coniferest.isoforest import IsolationForest

        return IsolationForest(n_trees=self.trees, n_subsamples=self.sample, n_jobs=threads, random_seed=1)

    def score(self, rows, threads):
        scores = self.forests[threads].score_samples(rows)
        return scores, scores < self.offset

    def fit(self, rows):
        self.new(1).fit(rows)


class Tl2cgen:
    name, same_forest = "treelite + tl2cgen", True
    compile_seconds = 150

    def __init__(self, forest, rows):
        import tl2cgen
        import treelite

        model = treelite.sklearn.import_model(forest)
        self.offset = forest.offset_
        self.folder = tempfile.mkdtemp(prefix="bench-tl2cgen-")
        try:
            source = f"{self.folder}/source"
            tl2cgen.generate_c_code(model, dirpath=source, params={"parallel_comp": 8, "quantize": 0})
            units = glob.glob(f"{source}/*.c")
            library = f"{self.folder}/forest.so"
            command = ["gcc", "-O3", "-march=native", "-fPIC", "-shared", "-std=c99", "-o", library, *units, "-lm"]
            subprocess.run(command, check=True, timeout=self.compile_seconds, capture_output=True)
            self.predictors = {threads: tl2cgen.Predictor(library, nthread=threads) for threads in (1, 2)}
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def score(self, rows, threads):
        import tl2cgen

        scores = self.predictors[threads].predict(tl2cgen.DMatrix(rows)).ravel()
        return -scores, -scores < self.offset


class Treelite:
    name, same_forest = "treelite (GTIL)", True

    def __init__(self, forest, rows):
        import treelite

        self.model, self.offset = treelite.sklearn.import_model(forest), forest.offset_

    def score(self, rows, threads):
        import treelite

        scores = treelite.gtil.predict(self.model, rows, nthread=threads).ravel()
        return -scores, -scores < self.offset


class Ydf:
    name, same_forest = "YDF", True

    def __init__(self, forest, rows):
        import ydf

        ydf.verbose(0)
        self.trees, self.sample, self.offset = forest.n_estimators, forest.max_samples_, forest.offset_
        try:
            self.model = ydf.from_sklearn(forest, feature_name="rows")
        except ValueError:
            self.same_forest = False
            self.model = self.learner().train({"rows": rows})

    def learner(self):
        import ydf

        return ydf.IsolationForestLearner(
            num_trees=self.trees, subsample_count=self.sample, num_threads=1, random_seed=1)

    def score(self, rows, threads):
        scores = self.model.predict({"rows": rows}, num_threads=threads)
        return -scores, -scores < self.offset

    def fit(self, rows):
        self.learner().train({"rows": rows})


ALL = [Sklearn, Isotree, Onnxruntime, Coniferest, Tl2cgen, Treelite, Ydf]
