"""The gateway's configuration for Kubernetes, made of the one template: `python -m deploy.kubernetes.gateway`.

Kustomize makes a ConfigMap of it and calls no program, so the file is committed; a test says when it is to be made anew.
"""

from pathlib import Path
from typing import Final

from deploy.gateway.render import Address, GatewaySettings, render

FILE: Final = Path(__file__).with_name("base") / "gateway" / "envoy.yaml"

DESCRIPTOR_SET: Final = Path("/etc/envoy/furlong.binpb")
"""In the image of the gateway."""


def configuration() -> str:
    """The configuration, with the parts at the names of their Services."""
    return render(
        GatewaySettings(
            listen=Address(host="0.0.0.0", port=8080),  # noqa: S104 - the pod's own address; policies say who gets there
            admin=Address(host="127.0.0.1", port=9901),
            game=(Address(host="game", port=50051),),
            cache=(Address(host="cache", port=50052),),
            metrics=(Address(host="metrics", port=50054),),
            web=Address(host="web", port=8000),
            descriptor_set=DESCRIPTOR_SET,
            otlp_endpoint="http://metrics:4317",
        )
    )


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(configuration())
