"""scripts/release, in a small repository of the same shape: what it refuses, what it changes, what it packs."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
release = module_from_spec(spec_from_loader("release", SourceFileLoader("release", str(ROOT / "scripts/release"))))
release.__loader__.exec_module(release)
PACKAGES = ("troupe-server", "troupe-worker", "troupe-standalone")
OPERATION = {"responses": {"200": {}}}
FILES = {
    ".gitignore": "/target\n",
    "CHANGELOG.md": "# Changelog\n\n## Unreleased\n\n- Letters.\n",
    "LICENSE": "Yours.\n",
    "Cargo.toml": '[workspace]\nresolver = "3"\nmembers = ["troupe-*"]\n\n[workspace.package]\nversion = "0.1.0"\n',
    "charts/troupe/Chart.yaml": "version: 0.1.0\nappVersion: 0.1.0\n",
    "charts/troupe/golden/small.yaml": 'helm.sh/chart: troupe-0.1.0\napp.kubernetes.io/version: "0.1.0"\nimage: redis:10.1.0\nimage: troupe-server:0.1.0\n',
    "docker/Dockerfile": "ARG VERSION=0.1.0\n",
    "docker/.env.example": "#TROUPE_VERSION=0.1.0\n",
    "docker/swarm.yaml": "# TROUPE_VERSION=0.1.0\n",
    "docs/DEPLOYMENT.md": "VERSION=0.1.0\n",
    **{f"{name}/Cargo.toml": f'[package]\nname = "{name}"\nversion.workspace = true\n' for name in PACKAGES},
    **{f"{name}/src/lib.rs": "" for name in PACKAGES},
}


def api(version, *paths):
    document = {"openapi": "3.1.0", "info": {"version": version}, "paths": {path: {"get": OPERATION} for path in paths}}
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


class Versions(unittest.TestCase):
    def test_their_order_is_that_of_semantic_versioning(self):
        ascending = ("0.2.0-1", "0.2.0-a", "0.2.0-a.1", "0.2.0-a.b", "0.2.0-b.2", "0.2.0-b.11", "0.2.0-rc-1", "0.2.0", "0.10.0", "1.0.0")
        versions = [release.Version(text) for text in ascending]
        self.assertEqual(sorted(reversed(versions)), versions)

    def test_what_is_none_is_refused(self):
        for text in ("", "1", "1.0", "v1.0.0", "1.0.0+build", "01.0.0", "1.0.0-01", "1.0.0-", "1.0.0-a..b", "1.0.0 ", "one"):
            with self.subTest(text), self.assertRaises(release.Refused):
                release.Version(text)


class Release(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        # Whatever the machine's git is configured to do, and wherever it was called from.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") and name != "CARGO_TARGET_DIR"}
        names = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        self.environment = {**environment, **names, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
        for name in ("release", "artefacts.py", "openapi.py"):
            self.write(f"scripts/{name}", (ROOT / "scripts" / name).read_text(encoding="utf-8"))
        for path, content in {**FILES, "docs/openapi.json": api("0.1.0", "/letters", "/stamps")}.items():
            self.write(path, content)
        self.run_command("cargo", "generate-lockfile", "--offline")
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()

    def write(self, path, content):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def read(self, path):
        return (self.root / path).read_text(encoding="utf-8")

    def run_command(self, *command):
        return subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=True).stdout.strip()

    def git(self, *arguments):
        return self.run_command("git", *arguments)

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")

    def release(self, *arguments):
        """The exit status, and all that is said."""
        command = ["python3", "-B", "scripts/release", *arguments]
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def refused(self, reason, *arguments):
        before = self.git("log", "-1", "--format=%H")
        status, said = self.release(*arguments)
        self.assertEqual(status, 1, said)
        self.assertIn(reason, said)
        self.assertNotIn("Traceback", said)
        self.assertEqual(self.git("log", "-1", "--format=%H"), before)

    def test_a_version_is_set_everywhere_committed_and_tagged(self):
        status, said = self.release("0.2.0", "--dry-run")
        self.assertEqual((status, self.git("status", "--porcelain"), self.git("tag")), (0, "", ""), said)
        self.assertIn("Cargo.lock: 0.1.0 → 0.2.0, 3 ×", said)
        status, said = self.release("0.2.0")
        self.assertEqual((status, self.git("status", "--porcelain"), self.git("tag", "--points-at", "HEAD")), (0, "", "v0.2.0"), said)
        self.assertEqual(self.git("log", "-1", "--format=%s"), "release: set the version to 0.2.0")
        self.assertEqual(self.git("grep", "--name-only", "--fixed-strings", "0.1.0", "--", ":!scripts"), "charts/troupe/golden/small.yaml")
        self.assertIn("image: redis:10.1.0\nimage: troupe-server:0.2.0\n", self.read("charts/troupe/golden/small.yaml"))
        self.assertRegex(self.read("CHANGELOG.md"), r"## Unreleased\n\n## 0\.2\.0 \(\d{4}-\d\d-\d\d\)\n\n- Letters\.\n")
        self.run_command("cargo", "metadata", "--locked", "--offline", "--format-version", "1")
        self.assertEqual(self.release("notes", "v0.2.0"), (0, "- Letters.\n"))

    def test_what_cannot_be_released_is_not(self):
        self.refused("v1.0.0 is no semantic version", "v1.0.0")
        self.refused("0.0.9 is less than 0.1.0", "0.0.9")
        self.refused("scripts/release VERSION", "--force")
        self.refused("CHANGELOG.md has no section 0.1.0", "notes", "0.1.0")
        self.refused("Cargo.toml does not name the version 0.3.0", "notes", "0.3.0")
        self.write("letter", "")
        self.refused("not clean:\n?? letter", "0.2.0")
        (self.root / "letter").unlink()
        self.git("checkout", "--quiet", "--detach")
        self.refused("no branch", "0.2.0")
        self.git("checkout", "--quiet", "main")
        self.git("tag", "v0.2.0-rc.2")
        for version in ("0.2.0-rc.1", "0.2.0-alpha", "0.2.0-rc.2", "0.1.9"):
            self.refused(f"{version} is not greater than 0.2.0-rc.2, the last", version)
        self.write("docker/Dockerfile", "FROM scratch\n")
        self.commit()
        self.refused("docker/Dockerfile does not name the version 0.1.0", "0.2.0")
        self.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n## 0.2.0-rc.2 (2026-01-01)\n\n- Letters.\n")
        self.commit()
        self.refused("says nothing under Unreleased", "0.2.0")

    def test_what_breaks_callers_needs_a_number_that_says_so(self):
        self.assertEqual(self.release("0.1.0")[0], 0)
        self.write("docs/openapi.json", api("0.1.0", "/letters"))
        self.write("CHANGELOG.md", self.read("CHANGELOG.md").replace("## Unreleased\n", "## Unreleased\n\n- **Changed:** no stamps.\n"))
        self.commit()
        self.refused("0.1.1 may not break what worked with 0.1.0:\nthe path is gone (GET /stamps)", "0.1.1")
        self.assertEqual(self.release("0.2.0", "--dry-run")[0], 0)
        self.assertEqual(self.release("1.0.0")[0], 0)
        self.write("docs/openapi.json", api("1.0.0"))
        self.write("CHANGELOG.md", self.read("CHANGELOG.md").replace("## Unreleased\n", "## Unreleased\n\n- **Changed:** no letters.\n"))
        self.commit()
        self.refused("1.1.0 may not break what worked with 1.0.0", "1.1.0")
        self.assertEqual(self.release("2.0.0-rc.1", "--dry-run")[0], 0)

    @unittest.skipUnless(os.uname().sysname == "Linux" and os.uname().machine == "x86_64" and shutil.which("cc"), "programs for x86-64 Linux")
    def test_programs_are_packed_the_same_each_time(self):
        self.refused("target/release/troupe: No such file", "artefacts", "dist")
        self.write("target/release/troupe", "#!/bin/sh\n")
        self.refused("is no program for x86_64-linux", "artefacts", "dist")
        for name, version in (("troupe", "0.1.0"), ("troupe-server", "0.1.0"), ("troupe-worker", "0.0.1")):
            self.program(name, version)
        self.refused("says that it is 'troupe-worker 0.0.1', and not troupe-worker 0.1.0", "artefacts", "dist")
        self.assertFalse((self.root / "dist").exists())
        self.program("troupe-worker", "0.1.0")
        self.write("dist/troupe-0.1.0.tgz", "a chart")
        self.write("again/troupe-0.1.0.tgz", "a chart")
        for directory in ("dist", "again"):
            status, said = self.release("artefacts", directory)
            self.assertEqual(status, 0, said)
        self.assertEqual(self.read("dist/SHA256SUMS"), self.read("again/SHA256SUMS"))
        sums = dict(reversed(line.split("  ")) for line in self.read("dist/SHA256SUMS").splitlines())
        self.assertEqual(set(sums), {"troupe-0.1.0-x86_64-linux.tar.gz", "troupe-0.1.0.cdx.json", "troupe-0.1.0.tgz"})
        for name, digest in sums.items():
            self.assertEqual(hashlib.sha256((self.root / "dist" / name).read_bytes()).hexdigest(), digest)
        with tarfile.open(self.root / "dist/troupe-0.1.0-x86_64-linux.tar.gz") as packed:
            self.assertEqual({(Path(entry.name).name, entry.mode) for entry in packed},
                             {("CHANGELOG.md", 0o644), ("LICENSE", 0o644), ("troupe", 0o755), ("troupe-server", 0o755), ("troupe-worker", 0o755)})
        bill = json.loads(self.read("dist/troupe-0.1.0.cdx.json"))
        self.assertEqual([one["name"] for one in bill["components"]], sorted(PACKAGES))

    def program(self, name, version):
        source = self.root / "target" / f"{name}.c"
        source.parent.mkdir(exist_ok=True)
        (self.root / "target/release").mkdir(exist_ok=True)
        source.write_text(f'#include <stdio.h>\nint main(void) {{ puts("{name} {version}"); return 0; }}\n')
        self.run_command("cc", "-o", f"target/release/{name}", str(source))


if __name__ == "__main__":
    unittest.main()
