"""How the process is put together from the settings."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trustme

from bcc_relay.process import certificate_of
from bcc_relay.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_listeners_begin_at_tls_1_2_even_where_python_leaves_the_minimum_to_openssl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = trustme.CA().issue_cert("relay.council.example")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    config = tmp_path / "config.yaml"
    config.write_text(
        "organisation: {domains: [council.example]}\n"
        "upstream: {servers: ['127.0.0.1:10026']}\n"
        "tls: {certificate: both.pem, private_key: both.pem}\n"
    )
    as_debian_builds_it = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    as_debian_builds_it.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    monkeypatch.setattr(ssl, "create_default_context", lambda _purpose: as_debian_builds_it)
    context = certificate_of(load(config, {}).settings)
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
