"""scripts/openapi.py: each kind of change, and whether it is said to break callers."""

import contextlib
import copy
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import openapi

BASE = {
    "openapi": "3.1.0",
    "info": {"title": "Letters", "version": "1.0.0"},
    "paths": {
        "/letters/{id}": {
            "get": {
                "operationId": "get_letter",
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"$ref": "#/components/schemas/Id"}},
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
                ],
                "responses": {
                    "200": {
                        "headers": {"Retry-After": {"schema": {"type": "integer"}}},
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Letter"}},
                            "text/csv": {"schema": {"type": "string"}},
                        },
                    },
                    "404": {},
                },
                "security": [{"token": ["read"]}, {"session": ["read"]}],
            },
            "put": {
                "operationId": "put_letter",
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Draft"}}}},
                "responses": {"204": {}},
            },
        },
        "/letters": {
            "get": {
                "operationId": "list_letters",
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Letter"}}}}}
                },
            }
        },
    },
    "components": {
        "schemas": {
            "Id": {"type": "string", "format": "uuid"},
            "Stamp": {"type": "object", "required": ["value"], "properties": {"value": {"type": "integer"}}},
            "Letter": {
                "allOf": [
                    {"$ref": "#/components/schemas/Stamp"},
                    {
                        "type": "object",
                        "required": ["status", "text"],
                        "properties": {
                            "text": {"type": "string"},
                            "status": {"type": "string", "enum": ["sent", "read"]},
                            "answer": {"oneOf": [{"$ref": "#/components/schemas/Letter"}, {"type": "null"}]},
                            "tags": {"type": "object", "additionalProperties": {"type": "integer"}},
                        },
                    },
                ]
            },
            "Draft": {
                "type": "object",
                "required": ["text"],
                "properties": {
                    "text": {"type": "string", "minLength": 1},
                    "kind": {"type": "string", "enum": ["card", "letter"]},
                    "copies": {"type": ["integer", "null"]},
                },
            },
        }
    },
}
GET = ["paths", "/letters/{id}", "get"]
PUT = ["paths", "/letters/{id}", "put"]
OK = [*GET, "responses", "200"]
SCHEMAS = ["components", "schemas"]
LETTER = [*SCHEMAS, "Letter", "allOf", 1]
DRAFT = [*SCHEMAS, "Draft"]

# What is changed (a path into the document; None removes), and what is said. One change, one break.
BREAKS = {
    "the path is gone (GET /letters)": [(["paths", "/letters"], None)],
    "the operation is gone (PUT /letters/{id})": [(PUT, None)],
    "the operation `get_letter` is called `fetch_letter` (GET /letters/{id})": [([*GET, "operationId"], "fetch_letter")],
    "response: the status 404 is gone (GET /letters/{id})": [([*GET, "responses", "404"], None)],
    "response: the media type text/csv is gone (GET /letters/{id} 200)": [([*OK, "content", "text/csv"], None)],
    "response: the header Retry-After is gone (GET /letters/{id} 200)": [([*OK, "headers"], None)],
    "response: `header Retry-After` was integer and is string (GET /letters/{id} 200)": [
        ([*OK, "headers", "Retry-After", "schema", "type"], "string")
    ],
    "response: `Letter.tags` is gone (GET /letters/{id} 200, GET /letters 200)": [([*LETTER, "properties", "tags"], None)],
    "response: `Letter.text` was string and is integer (GET /letters/{id} 200, GET /letters 200)": [
        ([*LETTER, "properties", "text", "type"], "integer")
    ],
    "response: `Letter.text` may now be null (GET /letters/{id} 200, GET /letters 200)": [
        ([*LETTER, "properties", "text", "type"], ["string", "null"])
    ],
    "response: `Letter.value` was integer and is number (GET /letters/{id} 200, GET /letters 200)": [
        ([*SCHEMAS, "Stamp", "properties", "value", "type"], "number")
    ],
    "response: `Letter.text` is no longer always there (GET /letters/{id} 200, GET /letters 200)": [([*LETTER, "required"], ["status"])],
    "response: `Letter.status` no longer says `read` (GET /letters/{id} 200, GET /letters 200)": [
        ([*LETTER, "properties", "status", "enum"], ["sent"])
    ],
    "response: `Letter.status` is no longer one of `sent`, `read` (GET /letters/{id} 200, GET /letters 200)": [
        ([*LETTER, "properties", "status", "enum"], None)
    ],
    "response: `Letter.tags{}` was integer and is string (GET /letters/{id} 200, GET /letters 200)": [
        ([*LETTER, "properties", "tags", "additionalProperties", "type"], "string")
    ],
    "response: `body[]` was object and is string (GET /letters 200)": [
        (["paths", "/letters", "get", "responses", "200", "content", "application/json", "schema", "items"], {"type": "string"})
    ],
    "request: `Draft.copies` is required now (PUT /letters/{id})": [([*DRAFT, "required"], ["text", "copies"])],
    "request: `Draft.stamp` is required now (PUT /letters/{id})": [
        ([*DRAFT, "required"], ["text", "stamp"]),
        ([*DRAFT, "properties", "stamp"], {"type": "string"}),
    ],
    "request: `Draft.copies` is gone (PUT /letters/{id})": [([*DRAFT, "properties", "copies"], None)],
    "request: `Draft.copies` no longer takes null (PUT /letters/{id})": [([*DRAFT, "properties", "copies", "type"], "integer")],
    "request: `Draft.kind` no longer takes `card` (PUT /letters/{id})": [([*DRAFT, "properties", "kind", "enum"], ["letter"])],
    "request: `Draft.text` takes only `hello` now (PUT /letters/{id})": [([*DRAFT, "properties", "text", "enum"], ["hello"])],
    "request: `Draft.text` has minLength 2 (1 before) (PUT /letters/{id})": [([*DRAFT, "properties", "text", "minLength"], 2)],
    "request: `Draft.text` has maxLength 9 (none before) (PUT /letters/{id})": [([*DRAFT, "properties", "text", "maxLength"], 9)],
    "request: `Draft.text` has pattern ^a (none before) (PUT /letters/{id})": [([*DRAFT, "properties", "text", "pattern"], "^a")],
    "request: `Draft.text` was of the format None and is of uuid (PUT /letters/{id})": [([*DRAFT, "properties", "text", "format"], "uuid")],
    "request: `Draft` refuses fields that it does not know, now (PUT /letters/{id})": [([*DRAFT, "additionalProperties"], False)],
    "request: the media type application/json is gone (PUT /letters/{id})": [
        ([*PUT, "requestBody", "content"], {"text/plain": {"schema": {"type": "string"}}})
    ],
    "request: a body is required now (PUT /letters/{id})": [([*PUT, "requestBody", "required"], True)],
    "request: `query parameter limit` is gone (GET /letters/{id})": [([*GET, "parameters", 1], None)],
    "request: `query parameter limit` is required now (GET /letters/{id})": [([*GET, "parameters", 1, "required"], True)],
    "request: `query parameter after` is required now (GET /letters)": [
        (["paths", "/letters", "get", "parameters"], [{"name": "after", "in": "query", "required": True, "schema": {}}])
    ],
    "request: `query parameter limit` has maximum 50 (100 before) (GET /letters/{id})": [([*GET, "parameters", 1, "schema", "maximum"], 50)],
    "request: `Id` was string and is integer (GET /letters/{id})": [([*SCHEMAS, "Id"], {"type": "integer"})],
    "request: token read opens it no longer (GET /letters/{id})": [([*GET, "security"], [{"session": ["read"]}, {"token": ["admin"]}])],
    "request: no credentials opens it no longer (GET /letters)": [(["paths", "/letters", "get", "security"], [{"token": []}])],
}
GROWTH = {
    "a path": [(["paths", "/stamps"], {"get": {"responses": {"200": {}}}})],
    "an operation": [(["paths", "/letters", "delete"], {"responses": {"204": {}}})],
    "a status": [([*GET, "responses", "410"], {})],
    "a field of an answer": [([*LETTER, "properties", "sender"], {"type": "string"}), ([*LETTER, "required"], ["status", "text", "sender"])],
    "an answer that is always there": [([*LETTER, "required"], ["status", "text", "tags"])],
    "a value of an answer": [([*LETTER, "properties", "status", "enum"], ["sent", "read", "lost"])],
    "an answer that is never null": [([*LETTER, "properties", "answer"], {"$ref": "#/components/schemas/Letter"})],
    "a field that may be sent": [([*DRAFT, "properties", "colour"], {"type": "string"})],
    "a field that need not be sent": [([*DRAFT, "required"], None)],
    "a value that is taken": [([*DRAFT, "properties", "kind", "enum"], ["card", "letter", "parcel"])],
    "anything instead of some values": [([*DRAFT, "properties", "kind", "enum"], None)],
    "numbers where integers were taken": [([*DRAFT, "properties", "copies", "type"], ["number", "null"])],
    "a wider limit": [([*GET, "parameters", 1, "schema", "maximum"], 500), ([*DRAFT, "properties", "text", "minLength"], None)],
    "a parameter": [([*GET, "parameters", 2], {"name": "after", "in": "query", "schema": {"type": "string"}})],
    "a way in": [([*GET, "security"], [{"token": ["read"]}, {"session": []}, {"signature": []}])],
    "a description": [([*GET, "summary"], "A letter")],
    "another name of a schema": [([*SCHEMAS, "Uuid"], {"type": "string", "format": "uuid"}), ([*GET, "parameters", 0, "schema", "$ref"], "#/components/schemas/Uuid")],
}


def changed(changes):
    document = copy.deepcopy(BASE)
    for path, value in changes:
        part = document
        for key in path[:-1]:
            part = part[key]
        if value is None:
            del part[path[-1]]
        elif isinstance(part, list) and path[-1] == len(part):
            part.append(value)
        else:
            part[path[-1]] = value
    return document


def sentences(new):
    found = openapi.breaks(openapi.Document(BASE, "old"), openapi.Document(new, "new"))
    return [openapi.sentence(what, where) for what, where in found.items()]


class Comparison(unittest.TestCase):
    def test_what_breaks_callers_is_named(self):
        for sentence, changes in BREAKS.items():
            with self.subTest(sentence):
                self.assertEqual(sentences(changed(changes)), [sentence])

    def test_what_grows_breaks_nobody(self):
        for what, changes in GROWTH.items():
            with self.subTest(what):
                self.assertNotEqual(changed(changes), BASE)
                self.assertEqual(sentences(changed(changes)), [])

    def test_another_name_of_a_parameter_in_a_path_breaks_nobody(self):
        new = copy.deepcopy(BASE)
        item = new["paths"]["/letters/{letter}"] = new["paths"].pop("/letters/{id}")
        item["get"]["parameters"][0]["name"] = "letter"
        self.assertEqual(sentences(new), [])

    def test_a_union_breaks_only_where_nothing_in_it_fits(self):
        old, new = copy.deepcopy(BASE), copy.deepcopy(BASE)
        cat = {"type": "object", "required": ["purrs"], "properties": {"purrs": {"type": "boolean"}}}
        dog = {"type": "object", "required": ["barks"], "properties": {"barks": {"type": "boolean"}}}
        old["components"]["schemas"]["Draft"] = {"oneOf": [cat, dog]}
        new["components"]["schemas"]["Draft"] = {"anyOf": [dog, {"$ref": "#/components/schemas/Cat"}]}
        new["components"]["schemas"]["Cat"] = cat
        self.assertEqual(openapi.breaks(openapi.Document(old, "old"), openapi.Document(new, "new")), {})
        new["components"]["schemas"]["Cat"] = {"type": "string"}
        found = openapi.breaks(openapi.Document(old, "old"), openapi.Document(new, "new"))
        self.assertEqual(list(found), ["request: `Draft.purrs` is gone", "request: `Draft.barks` is required now"])

    def test_many_operations_are_counted(self):
        self.assertEqual(openapi.sentence("gone", list("abcde")), "gone (a, b, c and 2 more)")


class Command(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.old, self.new = Path(directory.name, "old.json"), Path(directory.name, "new.json")
        self.old.write_text(json.dumps(BASE))

    def check(self, document, *options):
        """The exit status, and all that is said."""
        self.new.write_text(document if isinstance(document, str) else json.dumps(document))
        said = io.StringIO()
        arguments = ["openapi.py", "check", str(self.new), str(self.old), *options]
        with mock.patch.object(sys, "argv", arguments), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            with self.assertRaises(SystemExit) as ended:
                openapi.main()
        code = ended.exception.code
        return (code, said.getvalue()) if isinstance(code, int) else (1, code)

    def test_the_same_passes_and_growth_asks_for_another_snapshot(self):
        self.assertEqual(self.check(BASE)[0], 0)
        grown = changed(GROWTH["a path"])
        status, said = self.check(grown)
        self.assertEqual((status, "nothing breaks" in said), (1, True), said)
        self.assertEqual(self.check(grown, "--write")[0], 0)
        self.assertEqual(json.loads(self.old.read_text()), grown)
        self.assertEqual(self.check(grown)[0], 0)

    def test_a_break_is_not_written_unless_that_is_meant(self):
        broken = changed([(PUT, None)])
        for options in ([], ["--write"]):
            status, said = self.check(broken, *options)
            self.assertEqual(status, 1)
            self.assertIn("breaking: the operation is gone (PUT /letters/{id})", said)
            self.assertEqual(json.loads(self.old.read_text()), BASE)
        self.assertEqual(self.check(broken, "--write", "--breaking")[0], 0)
        self.assertEqual(json.loads(self.old.read_text()), broken)

    def test_what_is_no_document_is_refused_by_name(self):
        for document, reason in {
            "{": "new.json: Expecting",
            "[]": "new.json is no OpenAPI document",
            '{"openapi": "3.1.0"}': "new.json is no OpenAPI document",
            json.dumps(changed([([*SCHEMAS, "Id"], None)])): "#/components/schemas/Id leads nowhere",
            json.dumps(changed([([*SCHEMAS, "Id"], {"$ref": "#/components/schemas/Id"})])): "#/components/schemas/Id is made of itself",
        }.items():
            status, said = self.check(document)
            self.assertEqual(status, 1)
            self.assertIn(reason, said)


class Snapshot(unittest.TestCase):
    def test_ours_is_sorted_and_breaks_nothing_of_its_own(self):
        path = ROOT / "docs/openapi.json"
        document = openapi.load(str(path))
        self.assertEqual(path.read_text(encoding="utf-8"), openapi.pretty(document))
        self.assertEqual(openapi.breaks(document, document), {})


if __name__ == "__main__":
    unittest.main()
