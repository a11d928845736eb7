"""What scripts/charts does that is easier said in Python: the part of the chart's schema that follows the settings, and manifests.

    charts.py settings SCHEMA DEFAULTS [--write]     compare, or write, `settings` of the schema
    charts.py kinds RENDER...                        what is in a render, for people: kinds and names
    charts.py rules RENDER...                        what every render must obey, whatever the values
    charts.py environment RENDER                     the ConfigMap's variables, NAME=value, for `--check-config`
"""

import json
import sys
import tomllib

import yaml

# What is secret is no value: it would stand in the release, in git, and in the ConfigMap.
SECRET = {"database.url", "redis.url", "mail.url", "admin.password", "qdrant.api_key"}
# Given by the chart.
DECIDED = {"server.listen", "telemetry.listen", "database.migrate"}
# The chart reads these, to give pods the time that they need.
DURATIONS = {"server.drain", "worker.drain"}


def type_of(value, path):
    if path in DURATIONS:
        return {"$ref": "#/$defs/duration"}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, int):
        return {"type": "integer"}
    if isinstance(value, float):
        return {"type": "number"}
    return {"type": "string"}


def closed(properties):
    return {"type": "object", "additionalProperties": False, "properties": properties}


def settings_schema(defaults):
    sections = {}
    for section, values in defaults.items():
        # Standalone only.
        if section == "local":
            continue
        if section == "providers":
            one = {key: type_of(value, key) for key, value in values["openai"].items() if key != "keys"}
            sections[section] = {"type": "object", "additionalProperties": closed(one)}
            continue
        paths = {key: f"{section}.{key}" for key in values}
        known = {key: type_of(values[key], path) for key, path in paths.items() if path not in SECRET | DECIDED}
        sections[section] = closed(known)
    return closed(sections)


def settings(schema_path, defaults_path, write):
    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    with open(defaults_path, "rb") as file:
        wanted = settings_schema(tomllib.load(file))
    if write:
        schema["properties"]["settings"] = wanted
        with open(schema_path, "w", encoding="utf-8") as file:
            file.write(json.dumps(schema, indent=2) + "\n")
    elif schema["properties"]["settings"] != wanted:
        sys.exit(f"{schema_path} does not know the settings of {defaults_path}: scripts/charts render")


def manifests(paths):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for manifest in yaml.safe_load_all(file):
                if manifest:
                    yield path, manifest


def pods(manifest):
    spec = manifest.get("spec", {})
    if manifest["kind"] == "Pod":
        yield spec
    elif "template" in spec:
        yield spec["template"]["spec"]


def has_nothing(value):
    """A template that names what is not there leaves a null, which a cluster would take for a missing key."""
    if isinstance(value, dict):
        return any(has_nothing(one) for one in value.values())
    if isinstance(value, list):
        return any(has_nothing(one) for one in value)
    return value is None


def rules(paths):
    faults = []
    for path, manifest in manifests(paths):
        where = f"{path}: {manifest['kind']} {manifest['metadata']['name']}"
        labels = manifest["metadata"].get("labels", {})
        for label in ("name", "instance", "version", "component", "part-of", "managed-by", "created-by"):
            if f"app.kubernetes.io/{label}" not in labels:
                faults.append(f"{where}: has no label app.kubernetes.io/{label}")
        if manifest["kind"] == "Secret":
            faults.append(f"{where}: secrets are only referred to")
        if has_nothing(manifest):
            faults.append(f"{where}: has a key without a value")
        for pod in pods(manifest):
            context = pod.get("securityContext", {})
            if not context.get("runAsNonRoot") or context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
                faults.append(f"{where}: may run as root, or without seccomp")
            if pod.get("automountServiceAccountToken") is not False:
                faults.append(f"{where}: has a token of the cluster's")
            for container in pod["containers"]:
                context = container.get("securityContext", {})
                closed_up = (context.get("readOnlyRootFilesystem") is True and context.get("allowPrivilegeEscalation") is False
                             and context.get("capabilities", {}).get("drop") == ["ALL"])
                if not closed_up:
                    faults.append(f"{where}: {container['name']} may write, or more than it must")
                if "memory" not in container.get("resources", {}).get("limits", {}):
                    faults.append(f"{where}: {container['name']} has no limit of memory")
                if ":latest" in container["image"]:
                    faults.append(f"{where}: {container['image']} is no version")
    if faults:
        sys.exit("\n".join(faults))


def kinds(paths):
    for _, manifest in manifests(paths):
        print(f"{manifest['kind']} {manifest['metadata']['name']}")


def environment(path):
    for _, manifest in manifests([path]):
        if manifest["kind"] == "ConfigMap" and "TROUPE_SECRETS_DIR" in manifest["data"]:
            for name, value in manifest["data"].items():
                if name != "TROUPE_SECRETS_DIR":
                    print(f"{name}={value}")


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "settings":
        settings(arguments[0], arguments[1], "--write" in arguments)
    elif command == "rules":
        rules(arguments)
    elif command == "environment":
        environment(arguments[0])
    else:
        kinds(arguments)
