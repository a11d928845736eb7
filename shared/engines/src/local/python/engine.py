"""What the local engines share: they end with their parent, keep to a memory limit, and serve HTTP on loopback."""

import hmac
import http.server
import json
import os
import resource
import sys
import threading

MAX_BODY_BYTES = 16 << 20


def begin():
    """Reads the settings, and arranges that this process ends with its parent, however that ends."""
    settings = json.loads(sys.argv[1])
    settings["key"] = os.environ.pop("TROUPE_ENGINE_KEY")
    sys.path[:0] = settings["packages"]
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if settings["memory_bytes"]:
        # Address space: the nearest that a process can set for itself without rights.
        resource.setrlimit(resource.RLIMIT_AS, (settings["memory_bytes"], settings["memory_bytes"]))
    return settings


def _end_with_parent():
    # The parent holds the other end of the pipe and never writes.
    os.read(0, 1)
    os._exit(0)


def announce(settings, port):
    """Says where the engine listens."""
    partial = settings["port_file"] + ".new"
    with open(partial, "w", encoding="ascii") as file:
        file.write(str(port))
    os.replace(partial, settings["port_file"])


def serve(settings, routes):
    """Serves `routes`, from (method, path) to a function from a JSON body to a content type and bytes.

    Whether it is well may be asked without the key.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _call(self):
            length = int(self.headers.get("content-length") or 0)
            if length > MAX_BODY_BYTES:
                self.close_connection = True
                return self._answer(413, *problem("the body is too large"))
            body = self.rfile.read(length)
            if (self.command, self.path) == ("GET", "/health"):
                return self._answer(200, *answer({"status": "ok"}))
            sent = self.headers.get("authorization", "").encode()
            if not hmac.compare_digest(sent, f"Bearer {settings['key']}".encode()):
                return self._answer(401, *problem("the key is wrong"))
            route = routes.get((self.command, self.path))
            if route is None:
                return self._answer(404, *problem("there is no such route"))
            try:
                return self._answer(200, *route(json.loads(body) if body else None))
            except (ValueError, KeyError, TypeError) as error:
                return self._answer(400, *problem(f"{type(error).__name__}: {error}"))
            except Exception as error:
                return self._answer(500, *problem(f"{type(error).__name__}: {error}"))

        do_GET = do_POST = _call

        def _answer(self, status, content_type, body):
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", settings["port"]), Handler)
    announce(settings, server.server_port)
    server.serve_forever()


def answer(value):
    return "application/json", json.dumps(value).encode()


def problem(message):
    return answer({"error": {"message": message, "type": "invalid_request_error", "code": None}})
