"""OpenAI's embeddings by multilingual-e5-small in 4 bits, on loopback.

The engine puts the model's prefix before a text itself: which one is said by the prefix that the text has.
"""

import ctypes
import glob
import os
import threading

import engine

settings = engine.begin()
QUERY, PASSAGE = "query: ", "passage: "
package = settings["model"]
os.environ["OMP_NUM_THREADS"] = str(settings["threads"])
# Threads that spin while they wait starve each other on busy cores: seconds for a text instead of tens of milliseconds.
os.environ["OMP_WAIT_POLICY"] = "passive"

library = ctypes.CDLL(glob.glob(os.path.join(package, "_engine*"))[0])
library.e5_load.restype = ctypes.c_void_p
library.e5_load.argtypes = [ctypes.c_char_p]
library.e5_dim.argtypes = [ctypes.c_void_p]
library.e5_token_count.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
NUMBERS = ctypes.POINTER(ctypes.c_float)
library.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, NUMBERS]
library.e5_embed_batch.argtypes = [
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.c_int,
    ctypes.c_int,
    NUMBERS,
]
model = library.e5_load(os.path.join(package, "e5-small-q4.bin").encode())
if not model:
    raise SystemExit("the model cannot be loaded")
dimension = library.e5_dim(model)
# One at a time, on all threads that it may have.
turn = threading.Lock()


def embed(texts, is_query):
    """The vectors of texts of one kind."""
    array = (ctypes.c_char_p * len(texts))(*[text.encode() for text in texts])
    vectors = (ctypes.c_float * (len(texts) * dimension))()
    with turn:
        # One text is spread over the threads, several are shared out among them.
        if len(texts) == 1:
            failed = library.e5_embed(model, array[0], is_query, vectors)
        else:
            failed = library.e5_embed_batch(model, array, len(texts), is_query, vectors)
    if failed:
        raise RuntimeError("the engine failed")
    return [vectors[start : start + dimension] for start in range(0, len(vectors), dimension)]


def embeddings(call):
    texts = [call["input"]] if isinstance(call["input"], str) else call["input"]
    kinds = {1: [], 0: []}
    for index, text in enumerate(texts):
        is_query = int(text.startswith(QUERY))
        bare = text.removeprefix(QUERY if is_query else PASSAGE).replace("\0", " ")
        kinds[is_query].append((index, bare))
    data = []
    for is_query, some in kinds.items():
        if some:
            vectors = embed([text for _, text in some], is_query)
            data += [
                {"object": "embedding", "index": index, "embedding": vector}
                for (index, _), vector in zip(some, vectors)
            ]
    tokens = sum(library.e5_token_count(model, text.encode(), kind) for kind, some in kinds.items() for _, text in some)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return engine.answer({"object": "list", "data": data, "model": settings["name"], "usage": usage})


engine.serve(
    settings,
    {
        ("GET", "/v1/models"): lambda _: engine.answer({"object": "list", "data": [{"id": settings["name"]}]}),
        ("POST", "/v1/embeddings"): embeddings,
    },
)
