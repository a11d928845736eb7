"""The images: a base by debootstrap, the stand-ins for PostgreSQL, Redis and nginx, and Troupe's own."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from docker_drill.engine import PROXIES, Missing

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKER = ROOT / "docker"
SUITE = "bookworm"
# Kept from run to run, until `make clean`.
BASE = ROOT / "target" / "docker-drill" / f"{SUITE}.tar"
PROGRAMS = {"server": "troupe-server", "worker": "troupe-worker", "standalone": "troupe"}
# A linker and headers for crates with C in them; git and the certificates for cargo.
COMPILERS = "gcc g++ libc6-dev make perl pkg-config ca-certificates"


class Images:
    def __init__(self, docker, project):
        self.docker, self.project = docker, project
        self.seconds = {}

    def name(self, image):
        return f"{self.project}/{image}"

    def build(self, image, dockerfile, context, target=None, **arguments):
        command = [self.docker.program, "build", "--progress=plain", "--network=host", f"--file={dockerfile}"]
        command += [f"--target={target}"] if target else []
        command += [f"--tag={self.name(image)}"]
        arguments |= {name: self.docker.environment[name] for name in PROXIES if name in self.docker.environment}
        command += [f"--build-arg={name}={value}" for name, value in arguments.items()]
        self.seconds[image] = self.docker.logged(f"build-{image}", [*command, context])

    def size(self, image):
        """In MiB."""
        return self.docker.inspect(self.name(image))[0]["Size"] / 2**20

    # ---- What is under Troupe ----

    def import_base(self):
        if not BASE.exists():
            make_base(self.docker)
        self.seconds["base"] = self.docker.logged("base", [self.docker.program, "import", BASE, self.name("base")])

    def build_stand_ins(self):
        for target in ("postgres", "redis", "nginx"):
            image = "postgres-stand-in" if target == "postgres" else target
            stand_ins = DOCKER / "stand-ins"
            self.build(image, stand_ins / "Dockerfile", stand_ins, target, BASE=self.name("base"))
        # As compose.yaml builds it: with pgBackRest.
        postgres = DOCKER / "postgres"
        self.build("postgres", postgres / "Dockerfile", postgres, BASE=self.name("postgres-stand-in"))

    # ---- Troupe ----

    def build_prebuilt(self, binaries, targets):
        """From programs that are there. The context is what the Dockerfile takes of the checkout."""
        context = self.docker.directory / "context"
        prebuilt = context / "docker" / "prebuilt"
        prebuilt.mkdir(parents=True)
        for name in ("LICENSE", ".dockerignore"):
            shutil.copy(ROOT / name, context)
        for target in targets:
            shutil.copy(binaries / PROGRAMS[target], prebuilt)
        for target in targets:
            arguments = {"BASE": self.name("base"), "BINARIES": "prebuilt"}
            self.build(target, DOCKER / "Dockerfile", context, target, **arguments)
        shutil.rmtree(context)

    def build_compiled(self, targets):
        """By the Dockerfile's own stages, with a builder that has this machine's Rust and the crates it has fetched."""
        self.build_builder()
        for target in targets:
            arguments = {"BASE": self.name("base"), "BUILDER": self.name("builder")}
            self.build(target, DOCKER / "Dockerfile", ROOT, target, **arguments)

    def build_builder(self):
        cargo = subprocess.run(["rustup", "which", "cargo"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        if not cargo:
            raise Missing("--compile needs the toolchain of rust-toolchain.toml: https://rustup.rs")
        toolchain = Path(cargo).resolve().parent.parent
        home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
        context = self.docker.directory / "builder"
        for part in ("bin", "lib"):
            shutil.copytree(toolchain / part, context / "rust" / part, symlinks=True)
        # Archives and the index; sources are unpacked from them. In the place that RUSTFLAGS of the Dockerfile names.
        for part in ("cache", "index"):
            shutil.copytree(home / "registry" / part, context / "registry" / part)
        lines = [
            "ARG BASE",
            "FROM ${BASE}",
            f"RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends {COMPILERS}",
            "ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/rust/bin:$PATH",
            "COPY rust /usr/local/rust",
            "COPY registry /usr/local/cargo/registry",
        ]
        (context / "Dockerfile").write_text("\n".join(lines) + "\n")
        self.build("builder", context / "Dockerfile", context, BASE=self.name("base"))
        shutil.rmtree(context)


def make_base(docker):
    debootstrap = shutil.which("debootstrap", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if not debootstrap:
        raise Missing("debootstrap is missing: scripts/setup docker (Debian: debootstrap)")
    if os.geteuid() != 0:
        raise Missing(f"debootstrap needs root; another base may be put at {BASE} (docker export, as a tar)")
    BASE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rootfs.", dir=docker.directory) as rootfs:
        docker.logged("debootstrap", [debootstrap, "--variant=minbase", SUITE, rootfs])
        # Packages that were installed are not needed again.
        for path in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(Path(rootfs) / path)
            (Path(rootfs) / path / "partial").mkdir(parents=True)
        begun = BASE.with_suffix(".new")
        pack = ["tar", "--create", "--numeric-owner", f"--file={begun}", f"--directory={rootfs}", "."]
        docker.logged("debootstrap", pack)
    begun.rename(BASE)
