"""What the messages of Terraform could quote of its inputs and must not."""

from __future__ import annotations

from apps.rendering import options
from apps.rendering.export import read_file
from apps.rendering.model import RenderError
from apps.rendering.paths import rooted
from apps.rendering.protocol import Target, Tree
from apps.rendering.redaction import Fingerprint
from apps.rendering.terraform import hcl
from apps.rendering.terraform.messages import secret_texts
from apps.rendering.terraform.modules import Reading


def quotable(tree: Tree, target: Target, reading: Reading, fingerprint: Fingerprint) -> set[str]:
    """Strings with secret names in the code and in files of values."""
    root = options.path(target, "path")
    blocks = [file for files in reading.folders.values() for file in files]
    prefix = f"{root}/" if root else ""
    paths = [entry.path for entry in tree.entries(root) if entry.path.endswith((".tfvars", ".tfvars.json"))]
    for path in {*options.texts(target, "variables"), *(path for path in paths if "/" not in path[len(prefix) :])}:
        try:
            blocks.append(hcl.read(read_file(tree, rooted(path, "file")), path))
        except RenderError:
            continue
    return set(secret_texts(blocks, fingerprint.hides))
