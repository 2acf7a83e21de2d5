"""The Open Inference Protocol, asked by the clients of Triton and KServe with their defaults: values are /predictions'."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from serving import FAR_AWAY, MODEL, ORDINARY, ROOT
from tritonclient.grpc import service_pb2 as messages
from tritonclient.http.auth import BasicAuth

ROWS = np.array([ORDINARY, FAR_AWAY, ORDINARY])
DEFAULT = ["predict", "score_samples", "severity"]


def predicted(server, rows):
    """What /predictions says of the same rows, as tensors."""
    answer = httpx.post(server.http + "/predictions", json=rows.astype(np.float64).tolist()).raise_for_status().json()
    rows = answer["predictions"]
    return {
        "predict": np.array([1 if row["is_inlier"] else -1 for row in rows], dtype=np.int64),
        "score_samples": np.array([row["anomaly_score"] for row in rows]),
        "severity": np.array([row["severity"] for row in rows]),
        "is_outlier": np.array([0 if row["is_inlier"] else 1 for row in rows], dtype=np.int64),
        "decision_function": np.array([row["anomaly_score"] - answer["threshold"] for row in rows]),
    }


def assert_equal(got, expected, names):
    for name in names:
        assert got(name).dtype == expected[name].dtype, name
        np.testing.assert_array_equal(got(name), expected[name], err_msg=name)


def tensor(module, rows, **options):
    datatype = {np.float32: "FP32", np.float64: "FP64", np.int32: "INT32"}[rows.dtype.type]
    tensor = module.InferInput("input", rows.shape, datatype)
    tensor.set_data_from_numpy(rows, **options)
    return tensor


@pytest.fixture(params=["http", "grpc"])
def triton(request, server):
    """Triton's client over either, with the module that it is from."""
    module = {"http": tritonclient.http, "grpc": tritonclient.grpc}[request.param]
    address = server.http.removeprefix("http://") if request.param == "http" else server.grpc
    with module.InferenceServerClient(address) as client:
        yield module, client


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_triton_gets_the_scores_of_predictions_to_the_last_bit(server, triton, dtype):
    module, client = triton
    rows = ROWS.astype(dtype)
    answer = client.infer(MODEL, [tensor(module, rows)], request_id="7")
    assert_equal(answer.as_numpy, predicted(server, rows), DEFAULT)
    response = answer.get_response(as_json=True) if module is tritonclient.grpc else answer.get_response()
    assert [output["name"] for output in response["outputs"]] == DEFAULT
    assert response["id"] == "7"
    assert response["model_version"].startswith(f"{MODEL}-r-")


def test_triton_chooses_outputs_and_gets_contributions(server, triton):
    module, client = triton
    names = ["contributions", "is_outlier", "decision_function", "predict"]
    outputs = [module.InferRequestedOutput(name) for name in names]
    answer = client.infer(MODEL, [tensor(module, ROWS)], outputs=outputs)
    assert_equal(answer.as_numpy, predicted(server, ROWS), names[1:])
    assert answer.as_numpy("contributions").shape == (3, 2)
    assert (answer.as_numpy("contributions")[1] > 0).any()


def test_triton_sends_many_rows_and_a_tensor_a_feature(server, triton):
    module, client = triton
    rows = np.random.default_rng(16).normal(ORDINARY, [10, 1], size=(10_000, 2)).astype(np.float32)
    columns = []
    for name, column in [("sd", rows[:, 1]), ("mean", rows[:, 0])]:
        columns.append(module.InferInput(name, [10_000], "FP32"))
        columns[-1].set_data_from_numpy(np.ascontiguousarray(column))
    expected = predicted(server, rows)
    assert_equal(client.infer(MODEL, [tensor(module, rows)]).as_numpy, expected, DEFAULT)
    assert_equal(client.infer(MODEL, columns).as_numpy, expected, DEFAULT)


def test_triton_sees_server_and_model(triton):
    module, client = triton
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL)
    as_json = {"as_json": True} if module is tritonclient.grpc else {}
    assert client.get_server_metadata(**as_json)["extensions"] == ["binary_tensor_data"]
    model = client.get_model_metadata(MODEL, **as_json)
    assert model["platform"] == "anomaly-operator_isolationForest"
    assert [int(length) for length in model["inputs"][0]["shape"]] == [-1, 2]
    version = model["versions"][0]
    assert client.is_model_ready(MODEL, version)
    assert_equal(client.infer(MODEL, [tensor(module, ROWS)], model_version=version).as_numpy, {"predict": np.array([1, -1, 1])}, ["predict"])


def test_triton_is_told_what_is_wrong(triton):
    module, client = triton
    for model, rows, told in [
        ("other", ROWS, f"there is no model other here, only {MODEL}"),
        (MODEL, np.array([[1.0, np.nan]]), "row 0, column 1"),
        (MODEL, np.zeros((2, 3)), "has shape [2,3]; expected"),
    ]:
        with pytest.raises(Exception, match="(there is no|row 0|has shape)") as error:
            client.infer(model, [tensor(module, rows)])
        assert told in error.value.message()
    with pytest.raises(Exception, match="datatype BYTES"):
        text = module.InferInput("input", [1, 2], "BYTES")
        text.set_data_from_numpy(np.array([[b"a", b"b"]], dtype=object))
        client.infer(MODEL, [text])


def test_triton_without_binary_data_and_with_gzip(server):
    expected = predicted(server, ROWS)
    with tritonclient.http.InferenceServerClient(server.http.removeprefix("http://")) as client:
        outputs = [tritonclient.http.InferRequestedOutput(name, binary_data=False) for name in DEFAULT]
        answer = client.infer(MODEL, [tensor(tritonclient.http, ROWS, binary_data=False)], outputs=outputs)
        assert_equal(answer.as_numpy, expected, DEFAULT)
        packed = {"request_compression_algorithm": "gzip", "response_compression_algorithm": "gzip"}
        assert_equal(client.infer(MODEL, [tensor(tritonclient.http, ROWS)], **packed).as_numpy, expected, DEFAULT)
    with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
        answer = client.infer(MODEL, [tensor(tritonclient.grpc, ROWS)], compression_algorithm="gzip")
        assert_equal(answer.as_numpy, expected, DEFAULT)


def test_grpc_contents_are_answered_with_contents(server):
    """Triton's client always sends raw bytes; the messages are its own."""
    request = messages.ModelInferRequest(model_name=MODEL)
    request.inputs.add(name="input", datatype="FP64", shape=ROWS.shape).contents.fp64_contents.extend(ROWS.ravel())
    with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
        answer = client._client_stub.ModelInfer(request)
    expected = predicted(server, ROWS)
    assert not answer.raw_output_contents
    predict, scores, severity = (output.contents for output in answer.outputs)
    assert list(predict.int64_contents) == expected["predict"].tolist()
    assert list(scores.fp64_contents) == expected["score_samples"].tolist()
    assert list(severity.fp64_contents) == expected["severity"].tolist()


def test_behind_a_password_and_a_path(server):
    with tritonclient.http.InferenceServerClient(server.public.removeprefix("http://")) as client:
        with pytest.raises(Exception, match="send the user and password"):
            client.get_server_metadata()
        client.register_plugin(BasicAuth(*server.auth))
        assert_equal(client.infer(MODEL, [tensor(tritonclient.http, ROWS)]).as_numpy, predicted(server, ROWS), DEFAULT)


def test_kserve_gets_the_scores_of_predictions_over_rest_and_grpc(server):
    program = Path(__file__).with_name("ask_kserve.py")
    command = [sys.executable, program, server.http, server.grpc, MODEL, json.dumps(ROWS.tolist())]
    asked = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120)
    answers = json.loads(asked.stdout.splitlines()[-1])
    assert len(answers) == 8
    for way, dtype, got in answers:
        expected = predicted(server, ROWS.astype(dtype))
        assert got == {name: expected[name].tolist() for name in DEFAULT}, way


def test_the_messages_have_the_numbers_of_tritons(server):
    """Our .proto against the descriptors that Triton's client was made from: what both have has the same numbers."""
    scopes, seen = [messages.DESCRIPTOR.message_types_by_name], 0
    for line in (ROOT / "server/proto/open_inference.proto").read_text().splitlines():
        line = line.split("//")[0].strip()
        if match := re.fullmatch(r"message (\w+) \{(\})?", line):
            if not match[2]:
                scopes.append(scopes[-1][match[1]] if len(scopes) == 1 else scopes[-1].nested_types_by_name[match[1]])
        elif re.fullmatch(r"(service|oneof) .*\{", line):
            scopes.append(scopes[-1])
        elif line == "}":
            scopes.pop()
        elif match := re.fullmatch(r".* (\w+) = (\d+);", line):
            assert scopes[-1].fields_by_name[match[1]].number == int(match[2]), line
            seen += 1
    assert seen > 50
