#!/usr/bin/env python3
"""Whether an OpenAPI document breaks those who call by an older one.

    scripts/openapi.py check NEW OLD     a failure where they differ, which names each break; each is a file, or the address of one
        --write                          OLD becomes NEW, unless that breaks callers
        --breaking                       with --write: also if it does

Calls are held against what is taken: less of it is a break. Answers are held against what was promised: what is new in them is
none, since clients pass over what they do not know (docs/RELEASING.md). Of Python the standard library alone.
"""

import argparse
import json
import re
import sys
import urllib.request
from pathlib import Path

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# Limits of what is taken. Where one grows tighter, or is new, a call that was good is refused.
UPPER = ("maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum")
LOWER = ("minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum")
# What else a schema says of a value, beside its type and of which others it is made.
RULES = ("format", "enum", "pattern", "properties", "required", "items", "additionalProperties")
REQUEST, RESPONSE = "request", "response"
# Where a schema that has been taken apart keeps the name that it had.
NAME = "$name"


class Bad(Exception):
    """What is no OpenAPI document, or none that can be compared."""


class Document:
    """An OpenAPI document, whose references are followed and whose schemas are taken apart."""

    def __init__(self, content, name):
        if not isinstance(content, dict) or not isinstance(content.get("paths"), dict) or "openapi" not in content:
            raise Bad(f"{name} is no OpenAPI document")
        self.content, self.name = content, name

    def target(self, reference):
        part = self.content
        for key in reference.removeprefix("#/").split("/"):
            key = key.replace("~1", "/").replace("~0", "~")
            part = part.get(key) if isinstance(part, dict) else None
        if not reference.startswith("#/") or part is None:
            raise Bad(f"{self.name}: {reference} leads nowhere")
        return part

    def resolved(self, part):
        """What is no schema (a parameter, a body, an answer), behind its reference."""
        return self.resolved(self.target(part["$ref"])) if "$ref" in part else part

    def operations(self):
        """By method and path, whose parameters have no names: it is their places that count."""
        for path, item in self.content["paths"].items():
            for method in METHODS:
                if method in item:
                    parameters = item.get("parameters", []) + item[method].get("parameters", [])
                    yield (method.upper(), re.sub(r"{[^}]*}", "{}", path)), (path, {**item[method], "parameters": parameters})

    def parameters(self, path, operation):
        places = {name: place for place, name in enumerate(re.findall(r"{([^}]*)}", path))}
        for parameter in map(self.resolved, operation["parameters"]):
            name = parameter["name"]
            yield (parameter["in"], places.get(name, name) if parameter["in"] == "path" else name), parameter

    def alternatives(self, schema, seen=()):
        """Simple schemas, without references and combinations and with one type each, of which a value obeys one."""
        if schema is True or schema is None:
            schema = {}
        if schema is False:
            return []
        if "$ref" in schema:
            if schema["$ref"] in seen:
                raise Bad(f"{self.name}: {schema['$ref']} is made of itself")
            found = self.alternatives(self.target(schema["$ref"]), (*seen, schema["$ref"]))
            return [{**one, NAME: schema["$ref"].rpartition("/")[2]} for one in found]
        simple = {key: value for key, value in schema.items() if key in (*UPPER, *LOWER, *RULES)}
        if "const" in schema:
            simple["enum"] = [schema["const"]]
        types = schema.get("type", "object" if "properties" in schema else None)
        found = [{**simple, "type": one} for one in (types if isinstance(types, list) else [types])]
        choices = [schema[key] for key in ("oneOf", "anyOf") if key in schema] + [[part] for part in schema.get("allOf", [])]
        for choice in choices:
            others = [one for part in choice for one in self.alternatives(part, seen)]
            found = [both for one in found for other in others if (both := merged(one, other))]
        return found


ANYTHING = {"type": None}


def merged(one, other):
    """What obeys both simple schemas; None where nothing does."""
    if one == ANYTHING:
        return other
    types = {kind for kind in (one["type"], other["type"]) if kind}
    if types == {"integer", "number"}:
        types = {"integer"}
    if len(types) > 1:
        return None
    both = {**one, **other, "type": next(iter(types), None)}
    both.pop(NAME, None)
    properties = {**one.get("properties", {})}
    for name, schema in other.get("properties", {}).items():
        properties[name] = {"allOf": [properties[name], schema]} if name in properties else schema
    if properties:
        both["properties"] = properties
    if required := [*one.get("required", []), *other.get("required", [])]:
        both["required"] = required
    if "enum" in one and "enum" in other:
        both["enum"] = [value for value in one["enum"] if value in other["enum"]]
    return both


def fits(old, new, direction):
    """Whether every value of one type is of the other: what could be sent is still taken, what comes was announced."""
    narrow, wide = (old["type"], new["type"]) if direction == REQUEST else (new["type"], old["type"])
    return wide is None or wide == narrow or (wide, narrow) == ("number", "integer")


def below(step, found):
    """Breaks of a part, as breaks of the whole. Those of a schema with a name stay there: they are the same wherever it is used."""
    return [(place if place[:1].isalnum() else step + place, what) for place, what in found]


def named(old, new, found):
    return below(old.get(NAME, ""), found) if old.get(NAME) == new.get(NAME) else found


def limits(old, new):
    tighter = [key for key in UPPER if key in new and (key not in old or new[key] < old[key])]
    tighter += [key for key in LOWER if key in new and (key not in old or new[key] > old[key])]
    if new.get("pattern", old.get("pattern")) != old.get("pattern"):
        tighter.append("pattern")
    return [("", f"has {key} {new[key]} ({old.get(key, 'none')} before)") for key in tighter]


def kinds(alternatives):
    return " or ".join(dict.fromkeys(one["type"] or "anything" for one in alternatives)) or "nothing"


def values(some):
    return ", ".join(f"`{value}`" if isinstance(value, str) else json.dumps(value) for value in some)


class Comparison:
    """What of an old document no longer holds in a new one: `breaks` are sentences with the operations that each is true of."""

    def __init__(self, old, new):
        self.old, self.new = old, new
        self.breaks = {}
        self.known = {}
        self.operations()

    def note(self, what, where):
        self.breaks.setdefault(what, []).append(where)

    def schemas(self, old, new, direction):
        """The breaks between two schemas, each as a place below them and what is wrong there."""
        key = json.dumps([old, new, direction], sort_keys=True)
        if key not in self.known:
            # What is made of itself breaks no more often than once.
            self.known[key] = []
            self.known[key] = self.compare(old, new, direction)
        return self.known[key]

    def compare(self, old, new, direction):
        olds, news = self.old.alternatives(old), self.new.alternatives(new)
        if len(olds) == len(news) == 1 and not fits(*olds, *news, direction):
            return named(*olds, *news, [("", f"was {kinds(olds)} and is {kinds(news)}")])
        takes = direction == REQUEST
        found = []
        for one in olds if takes else news:
            pairs = [(one, other) for other in news] if takes else [(other, one) for other in olds]
            candidates = [self.pair(*pair, direction) for pair in pairs if fits(*pair, direction)]
            wrong = "no longer takes" if takes else "may now be"
            found += min(candidates, key=len, default=[("", f"{wrong} {kinds([one])}")])
        return list(dict.fromkeys(found))

    def pair(self, old, new, direction):
        """The breaks between two simple schemas of the same type."""
        found = []
        if old.get("format") != new.get("format") and (old if direction == RESPONSE else new).get("format"):
            found.append(("", f"was of the format {old.get('format')} and is of {new.get('format')}"))
        if gone := [value for value in old.get("enum", []) if value not in new.get("enum", [value])]:
            found.append(("", f"no longer {'takes' if direction == REQUEST else 'says'} {values(gone)}"))
        if direction == REQUEST and "enum" in new and "enum" not in old:
            found.append(("", f"takes only {values(new['enum'])} now"))
        if direction == RESPONSE and "enum" in old and "enum" not in new:
            found.append(("", f"is no longer one of {values(old['enum'])}"))
        if direction == REQUEST:
            found += limits(old, new)
        return named(old, new, found + self.fields(old, new, direction) + self.rest(old, new, direction))

    def fields(self, old, new, direction):
        found = []
        olds, news = old.get("properties", {}), new.get("properties", {})
        olds_required, news_required = set(old.get("required", [])), set(new.get("required", []))
        for name, schema in olds.items():
            if name not in news:
                found.append((f".{name}", "is gone"))
                continue
            if direction == RESPONSE and name in olds_required - news_required:
                found.append((f".{name}", "is no longer always there"))
            found += below(f".{name}", self.schemas(schema, news[name], direction))
        if direction == REQUEST:
            found += [(f".{name}", "is required now") for name in sorted(news_required - olds_required)]
        return found

    def rest(self, old, new, direction):
        """Items of lists, and fields that have no name."""
        found = []
        if "items" in old or "items" in new:
            found += below("[]", self.schemas(old.get("items"), new.get("items"), direction))
        before, now = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if direction == REQUEST and before is not False and now is False:
            found.append(("", "refuses fields that it does not know, now"))
        elif isinstance(before, dict):
            found += below("{}", self.schemas(before, now, direction))
        return found

    def hold(self, old, new, direction, subject, where):
        for place, what in below(subject, self.schemas(old, new, direction)):
            self.note(f"{direction}: `{place}` {what}", where)

    def operations(self):
        news = dict(self.new.operations())
        paths = {path for _, path in news}
        for (method, path), (name, old) in self.old.operations():
            where = f"{method} {name}"
            if (method, path) not in news:
                self.note("the operation is gone" if path in paths else "the path is gone", where)
                continue
            new_name, new = news[method, path]
            if old.get("operationId") != new.get("operationId"):
                self.note(f"the operation `{old.get('operationId')}` is called `{new.get('operationId')}`", where)
            self.parameters(dict(self.old.parameters(name, old)), dict(self.new.parameters(new_name, new)), where)
            self.body(old, new, where)
            self.answers(old, new, where)
            self.security(old, new, where)

    def parameters(self, olds, news, where):
        for key, old in olds.items():
            subject = f"{old['in']} parameter {old['name']}"
            if key not in news:
                self.note(f"request: `{subject}` is gone", where)
                continue
            if news[key].get("required") and not old.get("required"):
                self.note(f"request: `{subject}` is required now", where)
            self.hold(old.get("schema"), news[key].get("schema"), REQUEST, subject, where)
        for key, new in news.items():
            if key not in olds and new.get("required"):
                self.note(f"request: `{new['in']} parameter {new['name']}` is required now", where)

    def body(self, old, new, where):
        before, now = self.old.resolved(old.get("requestBody", {})), self.new.resolved(new.get("requestBody", {}))
        if now.get("required") and not before.get("required"):
            self.note("request: a body is required now", where)
        self.content(before, now, REQUEST, where)

    def answers(self, old, new, where):
        for status, before in old.get("responses", {}).items():
            if status not in new.get("responses", {}):
                self.note(f"response: the status {status} is gone", where)
                continue
            before, now = self.old.resolved(before), self.new.resolved(new["responses"][status])
            self.content(before, now, RESPONSE, f"{where} {status}")
            headers = {name.lower(): self.new.resolved(header) for name, header in now.get("headers", {}).items()}
            for name, header in before.get("headers", {}).items():
                if name.lower() not in headers:
                    self.note(f"response: the header {name} is gone", f"{where} {status}")
                    continue
                old_schema, new_schema = self.old.resolved(header).get("schema"), headers[name.lower()].get("schema")
                self.hold(old_schema, new_schema, RESPONSE, f"header {name}", f"{where} {status}")

    def content(self, before, now, direction, where):
        for kind, old in before.get("content", {}).items():
            if kind not in now.get("content", {}):
                self.note(f"{direction}: the media type {kind} is gone", where)
            else:
                self.hold(old.get("schema"), now["content"][kind].get("schema"), direction, "body", where)

    def security(self, old, new, where):
        """Each way in must still be one: a way that asks for no more than it did."""
        olds = old.get("security", self.old.content.get("security", [])) or [{}]
        news = new.get("security", self.new.content.get("security", [])) or [{}]
        for way in olds:
            asked = [all(scheme in way and set(scopes) <= set(way[scheme]) for scheme, scopes in new.items()) for new in news]
            if not any(asked):
                said = " and ".join(" ".join([scheme, *scopes]) for scheme, scopes in way.items()) or "no credentials"
                self.note(f"request: {said} opens it no longer", where)


def breaks(old, new):
    """Sentences, each with the operations that it is true of."""
    return Comparison(old, new).breaks


def sentence(what, where):
    more = f" and {len(where) - 3} more" if len(where) > 3 else ""
    return f"{what} ({', '.join(where[:3])}{more})"


def load(source):
    try:
        if source.startswith(("http://", "https://")):
            # A server on this machine, whatever proxy leads outside.
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(source, timeout=30) as answer:
                text = answer.read()
        else:
            text = Path(source).read_text(encoding="utf-8")
        return Document(json.loads(text), source)
    except (OSError, ValueError) as error:
        raise Bad(f"{source}: {getattr(error, 'strerror', None) or error}") from error


def pretty(document):
    return json.dumps(document.content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def check(arguments):
    new = load(arguments.new)
    if arguments.write and not Path(arguments.old).exists():
        Path(arguments.old).write_text(pretty(new), encoding="utf-8")
        print(f"written: {arguments.old}")
        return 0
    old = load(arguments.old)
    found = breaks(old, new)
    for what, where in found.items():
        print(f"breaking: {sentence(what, where)}", file=sys.stderr)
    if old.content == new.content:
        print(f"{arguments.old} is what the API is")
        return 0
    if arguments.write and (arguments.breaking or not found):
        Path(arguments.old).write_text(pretty(new), encoding="utf-8")
        print(f"written: {arguments.old}")
        return 0
    if found:
        print(f"{len(found)} breaks for those who call by {arguments.old}; docs/RELEASING.md says when that may be", file=sys.stderr)
    else:
        print(f"nothing breaks, but {arguments.old} is no longer what the API is: write it anew (make openapi)", file=sys.stderr)
    return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command = parser.add_subparsers(required=True, metavar="check").add_parser("check")
    command.add_argument("new")
    command.add_argument("old")
    command.add_argument("--write", action="store_true")
    command.add_argument("--breaking", action="store_true")
    arguments = parser.parse_args()
    if arguments.breaking and not arguments.write:
        parser.error("--breaking is for --write")
    try:
        sys.exit(check(arguments))
    except Bad as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
