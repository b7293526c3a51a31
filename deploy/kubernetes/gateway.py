"""The gateway's configuration for Kubernetes, made of the one template: `python -m deploy.kubernetes.gateway`.

Kustomize makes a ConfigMap of the files and calls no program, so they are committed; a test says when they are to be
made anew.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.gateway import tls
from deploy.gateway.render import Address, GatewaySettings, render

FOLDER: Final = Path(__file__).with_name("base") / "gateway"
CONFIGURATION: Final = Path("/etc/furlong/gateway")
CERTIFICATES: Final = Path("/etc/furlong/tls")

DESCRIPTOR_SET: Final = Path("/etc/envoy/furlong.binpb")
"""In the image of the gateway."""


def files() -> Mapping[str, str]:
    """The files of the configuration by name, with the parts at the names of their Services."""
    folders = tls.Folders(parts=CERTIFICATES, secrets=CONFIGURATION)
    settings = GatewaySettings(
        listen=Address(host="0.0.0.0", port=8080),  # noqa: S104 - the pod's own address; policies say who gets there
        admin=Address(host="127.0.0.1", port=9901),
        game=(Address(host="game", port=50051),),
        cache=(Address(host="cache", port=50052),),
        metrics=(Address(host="metrics", port=50054),),
        web=Address(host="web", port=8000),
        descriptor_set=DESCRIPTOR_SET,
        otlp_endpoint="https://metrics:4317",
        certificates=folders,
    )
    return {"envoy.yaml": render(settings), **tls.secrets(folders)}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in files().items():
        (FOLDER / name).write_text(content)
