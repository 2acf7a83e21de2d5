"""ask_kserve.py REST_URL GRPC_ADDRESS MODEL ROWS: KServe's client asks for these rows in every way; its answers as JSON.

A program of its own: the messages of KServe's client and of Triton's have the same names, and one process takes one of them.
"""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

rest, grpc, model, rows = sys.argv[1:]
rows = np.array(json.loads(rows))


def request(rows, binary):
    tensor = InferInput("input", list(rows.shape), {np.float32: "FP32", np.float64: "FP64"}[rows.dtype.type])
    tensor.set_data_from_numpy(rows, binary_data=binary)
    return InferRequest(model, [tensor])


def outputs(answer):
    return {output.name: output.as_numpy().tolist() for output in answer.outputs}


async def ask():
    answers = []
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        assert await client.is_server_live(rest) and await client.is_server_ready(rest)
        assert await client.is_model_ready(rest, model)
        for dtype in (np.float32, np.float64):
            for binary in (True, False):
                answer = await client.infer(rest, request(rows.astype(dtype), binary), model_name=model)
                answers.append([f"REST {dtype.__name__} {binary=}", dtype.__name__, outputs(answer)])
    async with InferenceGRPCClient(grpc) as client:
        assert await client.is_server_live() and await client.is_server_ready()
        assert await client.is_model_ready(model)
        for dtype in (np.float32, np.float64):
            for binary in (True, False):
                answer = await client.infer(request(rows.astype(dtype), binary))
                answers.append([f"gRPC {dtype.__name__} {binary=}", dtype.__name__, outputs(answer)])
    return answers


print(json.dumps(asyncio.run(ask())))
