"""What is published with a release (scripts/release artefacts): programs, the description of what they are made of, checksums.

The same programs at the same commit give the same bytes: files bear the commit's time and nobody's name, and all is in one order.
"""

import datetime
import gzip
import hashlib
import io
import json
import os
import platform
import re
import subprocess
import tarfile
import tomllib
import uuid

# Each program, and the package that it is the program of.
PROGRAMS = {"troupe": "troupe-standalone", "troupe-server": "troupe-server", "troupe-worker": "troupe-worker"}
BESIDE = ["CHANGELOG.md", "LICENSE"]
SYSTEM, TARGET = "x86_64-linux", "x86_64-unknown-linux-gnu"


class Unfit(Exception):
    """Why there is nothing to publish."""


def output(root, *command):
    try:
        return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    except FileNotFoundError as error:
        raise Unfit(f"{command[0]} is missing") from error
    except subprocess.CalledProcessError as error:
        raise Unfit(f"{' '.join(command[:2])}: {error.stderr.strip()}") from error


def program(path, version):
    """A program's bytes, if it is one of this system and of this version."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unfit(f"{path}: {error.strerror}") from error
    # ELF, of 64 bits, little-endian, for x86-64.
    if content[:6] != b"\x7fELF\x02\x01" or content[18:20] != b"\x3e\x00":
        raise Unfit(f"{path} is no program for {SYSTEM}")
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        said = output(path.parent, str(path), "--version").strip().partition("\n")[0]
        if said != f"{path.name} {version}":
            raise Unfit(f"{path} says that it is {said!r}, and not {path.name} {version}")
    return content


def archive(files, time):
    """A .tar.gz of files: name, content and mode of each."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content, mode in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), mode, time
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


def bill_of_materials(root, version, time):
    """An SBOM of the programs: what is linked into them or runs to build them, without what only tests need (CycloneDX 1.6)."""
    described = json.loads(output(root, "cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET))
    packages = {package["id"]: package for package in described["packages"]}
    needs = {
        node["id"]: [dep["pkg"] for dep in node["deps"] if any(kind["kind"] != "dev" for kind in dep["dep_kinds"])]
        for node in described["resolve"]["nodes"]
    }
    shipped = [id for id, package in packages.items() if package["source"] is None and package["name"] in PROGRAMS.values()]
    reached, rest = set(), list(shipped)
    while rest:
        if (one := rest.pop()) not in reached:
            reached.add(one)
            rest += needs[one]
    lock = tomllib.loads((root / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    digests = {(package["name"], package["version"]): package.get("checksum") for package in lock}

    def reference(id):
        return f"pkg:cargo/{packages[id]['name']}@{packages[id]['version']}"

    def component(id):
        package = packages[id]
        described = {"type": "library", "bom-ref": reference(id), "name": package["name"], "version": package["version"]}
        if digest := digests[package["name"], package["version"]]:
            described |= {"purl": reference(id), "hashes": [{"alg": "SHA-256", "content": digest}]}
        if package["license"]:
            # Until 2017 crates wrote a stroke for "or".
            described["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
        return described

    ids = sorted(reached, key=reference)
    dependencies = [{"ref": "troupe", "dependsOn": sorted(map(reference, shipped))}]
    dependencies += [{"ref": reference(id), "dependsOn": sorted({reference(need) for need in needs[id]})} for id in ids]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(time, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": "troupe",
                "name": "troupe",
                "version": version,
                "licenses": [{"expression": "Apache-2.0"}],
                "properties": [{"name": "git:commit", "value": output(root, "git", "rev-parse", "HEAD").strip()}],
            },
        },
        "components": [component(id) for id in ids],
        "dependencies": dependencies,
    }
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))}"
    return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def pack(root, directory):
    version = tomllib.loads((root / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]["package"]["version"]
    time = int(output(root, "git", "log", "-1", "--format=%ct"))
    built = root / os.environ.get("CARGO_TARGET_DIR", "target") / "release"
    inside = f"troupe-{version}-{SYSTEM}"
    files = [(f"{inside}/{name}", (root / name).read_bytes(), 0o644) for name in BESIDE]
    files += [(f"{inside}/{name}", program(built / name, version), 0o755) for name in PROGRAMS]
    made = {f"{inside}.tar.gz": archive(files, time), f"troupe-{version}.cdx.json": bill_of_materials(root, version, time)}

    directory.mkdir(parents=True, exist_ok=True)
    for name, content in made.items():
        (directory / name).write_bytes(content)
    sums = directory / "SHA256SUMS"
    all_files = sorted(path for path in directory.iterdir() if path.is_file() and path != sums)
    sums.write_text("".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in all_files))
    for path in [*all_files, sums]:
        print(f"{path} ({path.stat().st_size:,} bytes)")
