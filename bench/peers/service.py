"""The demo's scoring service as it was: FastAPI, uvicorn and a scikit-learn isolation forest.

    python service.py MANIFEST PORT

MANIFEST holds the training rows as the CSV of its ConfigMap, so that both services know the same data.
"""

import io
import sys

import numpy as np
import uvicorn
import yaml
from fastapi import FastAPI, HTTPException
from sklearn.ensemble import IsolationForest

documents = list(yaml.safe_load_all(open(sys.argv[1], encoding="utf-8")))
rows = np.loadtxt(io.StringIO(documents[0]["data"]["train.csv"]), delimiter=",", skiprows=1)
model = IsolationForest(n_estimators=100, max_samples=256, contamination=0.01, random_state=16).fit(rows)
app = FastAPI()


@app.post("/prediction")
def prediction(feature_vector: list[float], score: bool = False):
    if len(feature_vector) != model.n_features_in_:
        raise HTTPException(422, f"expected {model.n_features_in_} values")
    answer = {"is_inlier": bool(model.predict([feature_vector])[0] == 1)}
    if score:
        answer["anomaly_score"] = float(model.score_samples([feature_vector])[0])
    return answer


@app.get("/model_information")
def model_information():
    return model.get_params()


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
