"""Signs in at a `troupe` that has just started, makes one of each thing, and writes down what schemathesis needs.

usage: schemathesis.py OUTPUT-OF-TROUPE CONFIGURATION
Prints the server's address and an access token. The configuration gives paths ids of things that exist, beside those that
schemathesis makes up.
"""

import json
import re
import sys
import urllib.request

output, configuration = sys.argv[1:]
said = open(output).read()
address = re.search(r"Troupe is at\s+(\S+)", said).group(1)
email, password = re.search(r"Sign in as\s+(\S+)\s+with password\s+(\S+)", said).groups()
token = None


def call(method, path, body=None, kind="application/json"):
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {"content-type": kind} if data is not None else {}
    if token:
        headers["authorization"] = f"Bearer {token}"
    request = urllib.request.Request(f"{address}/api/v1{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or "null")


token = call("POST", "/auth/login", {"email": email, "password": password})["access_token"]
persona = {"slug": "grandmother", "name": "Grandmother", "system_prompt": "You are kind.", "remembers": True}
slug = call("POST", "/personas", persona)["slug"]
document = call("POST", f"/personas/{slug}/documents", b"# The lighthouse\n\nIt stood for years.", "text/markdown")
memory = call("POST", f"/personas/{slug}/memories", {"fact": "I like kippers"})
question = call("GET", "/questions?limit=1")["items"][0]
call("PUT", f"/personas/{slug}/responses/{question['id']}", {"content": "By the sea.", "status": "final"})
conversation = call("POST", "/conversations", {"persona": slug})
sent = call("POST", f"/conversations/{conversation['id']}/messages?wait=1", {"content": "Hello"})

# Which id a path means, by how the path begins.
ids = {
    "/api/v1/personas/{slug}": {"slug": slug},
    "/api/v1/personas/{slug}/documents/{id}": {"slug": slug, "id": document["id"]},
    "/api/v1/personas/{slug}/memories/{id}": {"slug": slug, "id": memory["id"]},
    "/api/v1/personas/{slug}/responses/{question_id}": {"slug": slug, "question_id": question["id"]},
    "/api/v1/conversations/{id}": {"id": conversation["id"]},
    "/api/v1/requests/{id}": {"id": sent["request"]["id"]},
    "/api/v1/admin/requests/{id}": {"id": sent["request"]["id"]},
    "/api/v1/admin/tiers/{name}": {"name": "free"},
}
# Without a model service nobody translates or speaks: that is a 503 here, and no fault of the server's.
UNAVAILABLE = {"POST /api/v1/requests/{id}/translations", "POST /v1/audio/speech"}
paths = json.load(urllib.request.urlopen(f"{address}/openapi.json"))["paths"]
with open(configuration, "w") as file:
    for path, methods in paths.items():
        known = [ids[begin] for begin in sorted(ids, key=len) if path == begin or path.startswith(begin + "/")]
        # What everything else hangs on stays until the end.
        kept = ("delete",) if path in ("/api/v1/personas/{slug}", "/api/v1/conversations/{id}") else ()
        for method in methods:
            name = f"{method.upper()} {path}"
            parameters = known[-1] if known and method not in kept else {}
            if not parameters and name not in UNAVAILABLE:
                continue
            file.write(f"[[operations]]\ninclude-name = {json.dumps(name)}\n")
            if parameters:
                file.write("[operations.parameters]\n")
            for parameter, value in parameters.items():
                file.write(f'"path.{parameter}" = {json.dumps(value)}\n')
            if name in UNAVAILABLE:
                file.write('[operations.checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", "503"]\n')
print(address)
print(token)
