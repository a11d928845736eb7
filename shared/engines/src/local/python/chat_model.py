"""llama.cpp's own OpenAI-compatible server, on loopback."""

import threading

import engine

settings = engine.begin()

import xllamacpp  # noqa: E402  (its directory has just become known)

params = xllamacpp.CommonParams()
params.model.path = settings["model"]
params.model_alias = {settings["name"]}
params.hostnames = ["127.0.0.1"]
params.port = settings["port"]
params.api_keys = [settings["key"]]
params.n_ctx = settings["context"] * settings["parallel"]
params.n_parallel = settings["parallel"]
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
# Waiting threads sleep: spinning, they starve each other where the cores are busy.
params.cpuparams.poll = params.cpuparams_batch.poll = 0
params.cache_ram_mib = 64
params.ui = False
params.endpoint_slots = False
# For calls that do not name their own.
for name, value in settings["sampling"].items():
    setattr(params.sampling, name, type(getattr(params.sampling, name))(value))

server = xllamacpp.Server(params)
engine.announce(settings, int(server.listening_address.rsplit(":", 1)[1]))
threading.Event().wait()
