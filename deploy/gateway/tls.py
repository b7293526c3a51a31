"""TLS of the gateway: towards the parts, which know it by its certificate and prove who they are, and to the outside.

Envoy reads certificates through resources of its secret discovery service, which are files here that name the folders.
It watches the folders, so that what is renamed into them is taken up by connections that begin then.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CERTIFICATE, KEY, AUTHORITY = "tls.crt", "tls.key", "ca.crt"
HTTP_1, HTTP_2 = "http/1.1", "h2"
TRUST_DOMAIN: Final = "spiffe://furlong/"

_TYPES: Final = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_VERSIONS: Final = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
_IDENTITY, _TRUSTED, _PUBLIC = "identity", "trusted", "public"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where Envoy finds the gateway's certificates.

    `parts` is for those inside, `public` for the outside; without a folder it speaks in clear text there. `secrets` has
    the files that `secrets()` tells.
    """

    parts: Path | None = None
    public: Path | None = None
    secrets: Path | None = None

    def __post_init__(self) -> None:
        assert self.secrets is not None or (self.parts is None and self.public is None), "TLS needs a place for secrets"


CLEAR_TEXT: Final = Folders()


def towards(folders: Folders, part: str, protocol: str) -> dict[str, Any]:
    """What a cluster has around its protocol; nothing in clear text. Its servers' certificates must name the part."""
    if folders.parts is None:
        return {}
    named = {"san_type": "URI", "matcher": {"exact": f"{TRUST_DOMAIN}{part}"}}
    context = {
        "@type": f"{_TYPES}.UpstreamTlsContext",
        "sni": part,
        "max_session_keys": 0,  # a session that is taken up again would not show its certificate again
        "common_tls_context": {
            "tls_params": _VERSIONS,
            "alpn_protocols": [protocol],
            "tls_certificate_sds_secret_configs": [_secret(folders, _IDENTITY)],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": [named]},
                "validation_context_sds_secret_config": _secret(folders, _TRUSTED),
            },
        },
    }
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


def public(folders: Folders) -> dict[str, Any]:
    """What the public listener has around its protocols; nothing in clear text."""
    if folders.public is None:
        return {}
    context = {
        "@type": f"{_TYPES}.DownstreamTlsContext",
        "common_tls_context": {
            "tls_params": _VERSIONS,
            "alpn_protocols": [HTTP_2, HTTP_1],
            "tls_certificate_sds_secret_configs": [_secret(folders, _PUBLIC)],
        },
    }
    return {"transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": context}}


def secrets(folders: Folders) -> Mapping[str, str]:
    """The files that Envoy reads the folders from, by name."""
    resources: dict[str, dict[str, Any]] = {}
    if folders.parts is not None:
        resources[_IDENTITY] = _certificate(folders.parts)
        resources[_TRUSTED] = {
            "validation_context": {
                "trusted_ca": _file(folders.parts / AUTHORITY),
                "watched_directory": {"path": str(folders.parts)},
            }
        }
    if folders.public is not None:
        resources[_PUBLIC] = _certificate(folders.public)
    return {
        f"{name}.json": json.dumps({"resources": [{"@type": f"{_TYPES}.Secret", "name": name, **resource}]})
        for name, resource in resources.items()
    }


def _certificate(folder: Path) -> dict[str, Any]:
    return {
        "tls_certificate": {
            "certificate_chain": _file(folder / CERTIFICATE),
            "private_key": _file(folder / KEY),
            "watched_directory": {"path": str(folder)},
        }
    }


def _file(path: Path) -> dict[str, str]:
    return {"filename": str(path)}


def _secret(folders: Folders, name: str) -> dict[str, Any]:
    assert folders.secrets is not None, "checked where it is made"
    source = {"path_config_source": {"path": str(folders.secrets / f"{name}.json")}, "resource_api_version": "V3"}
    return {"name": name, "sds_config": source}
