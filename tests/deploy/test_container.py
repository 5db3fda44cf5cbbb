"""The image and the Compose file keep what docs/container.md promises."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from bcc_relay.settings import load
from tests.deploy.figures import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
SERVICES = COMPOSE["services"]
HADOLINT = Path(sys.executable).parent / "hadolint"


@pytest.mark.skipif(not HADOLINT.exists(), reason="hadolint is not installed (requirements-dev.lock has it)")
@pytest.mark.parametrize("dockerfile", ["Dockerfile", "docker/upstream/Dockerfile"])
def test_dockerfiles_have_no_findings(dockerfile):
    done = subprocess.run([HADOLINT, dockerfile], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_runs_as_a_number_without_shell_and_stops_by_sigterm():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER 10001:10001" in lines
    assert 'ENTRYPOINT ["bcc-relay"]' in lines
    assert 'CMD ["serve"]' in lines
    assert "STOPSIGNAL SIGTERM" in lines
    assert any(line.startswith("HEALTHCHECK ") and "CMD [" in line for line in lines)


def test_the_image_is_built_from_a_named_version_and_hashed_packages():
    text = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:3.13-slim-bookworm"}
    assert "--require-hashes -r requirements.lock" in text


def test_the_build_backend_is_pinned_in_the_lock_file():
    [names] = re.findall(r"keep = /\^\(([^)]+)\)==/", (ROOT / "Dockerfile").read_text())
    lock = (ROOT / "requirements-dev.lock").read_text()
    assert [name for name in names.split("|") if not re.search(f"^{name}==", lock, re.MULTILINE)] == []


def test_what_the_image_is_built_from_passes_the_ignore_file():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        for name in sources.split()
    }
    assert copied == allowed
    assert [name for name in allowed if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_read_only_without_privileges_and_with_a_limit(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert re.fullmatch(r"\S+:v?\d+\.\d+\.\d+", service["image"])


def test_only_the_upstream_has_capabilities_and_it_reaches_nothing():
    assert [name for name, service in SERVICES.items() if "cap_add" in service] == ["upstream"]
    assert SERVICES["upstream"]["networks"] == ["mail"]
    assert COMPOSE["networks"]["mail"]["internal"] is True


def test_no_secret_stands_in_the_environment():
    for service in SERVICES.values():
        for key in service.get("environment", {}):
            assert not re.search("PASSWORD|SECRET|TOKEN|KEY", key) or key.endswith("__FILE")


def test_mounted_files_exist():
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (ROOT / "docker" / source).exists(), source


def test_the_configuration_of_the_relay_is_valid():
    loaded = load(ROOT / "docker/relay.yaml", {})

    assert loaded.settings.metrics.bind.port == 9125  # the health check of the image asks there


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_docker_compose_accepts_the_file():
    done = subprocess.run(
        ["docker-compose", "-f", "docker/compose.yaml", "config", "-q"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
