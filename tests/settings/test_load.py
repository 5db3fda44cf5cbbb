"""What is read from where, what wins, and what the defaults are."""

from __future__ import annotations

import os
from datetime import date, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
import trustme
import yaml
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcc_relay.core.errors import ConfigurationError
from bcc_relay.settings import load
from bcc_relay.settings.keys import every_key, json_schema, keys_of
from bcc_relay.settings.model import Settings
from bcc_relay.settings.values import HostPort, parse_duration, write_duration

if TYPE_CHECKING:
    from pathlib import Path

SMALLEST = 'organisation: {domains: [council.example]}\nupstream: {servers: ["smtp.council.example:25"]}\n'

CONTRACT = """
organisation: {name: "", domains: [council.example], partners: []}
listeners:
  - {bind: "127.0.0.1:2525", tls: none, auth: none, networks: ["127.0.0.0/8", "::1/128"], proxy_protocol: []}
tls: {certificate: "", private_key: ""}
auth: {backend: file}
limits: {message_bytes: 52428800, recipients: 2000, connections: 1000, connections_per_client: 50, header_bytes: 1048576}
upstream:
  servers: ["smtp.council.example:25"]
  tls: starttls
  username: ""
  password_file: ""
  connections: 10
  recipients_per_transaction: 100
  messages_per_minute: 0
delivery:
  first_attempt: live
  live_deadline: 50s
  when_unavailable: queue
  retry: [1m, 5m, 15m, 30m, 1h]
  give_up_after: 2d
policy:
  mode: enforce
  rules: []
  builtin:
    damaged: {recipients: 2}
    unreadable: {recipients: 10}
    correction: {share: 0.8, visible_outsiders: 5, within: 7d}
    known-thread: {}
    beyond-rewriting: {own_recipients: 10, personal_share: 0.5, outsiders: 30, body: 50}
    families: {visible_outsiders: 10, personal_share: 0.5}
    usual-bcc: {visible_outsiders: 10}
    large-circle: {visible_outsiders: 30, outsider_domains: 3}
    in-pieces: {disclosed: 30, within: 10m}
rewrite: {to: sender, keep_own_visible: false, names_note: false}
quarantine: {expire_after: 14d, sender_may: [release_as_bcc, discard], second_person_for: [release_as_is], key_file: ""}
retention: {bodies: 0d, records: 90d, memory: 365d, audit: 6y}
notices: {from: "", reviewers: [], digest: "08:00", language: en}
store: {url: "sqlite:///var/lib/bcc-relay/relay.db"}
web: {bind: "127.0.0.1:8080", public_url: "", login: accounts}
metrics: {bind: "127.0.0.1:9125"}
workers: auto
secret_file: ""
log: {format: json, level: info, addresses: pseudonym}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(SMALLEST)
    return path


def rewritten(file: Path, more: str) -> Path:
    file.write_text(SMALLEST + more)
    return file


def certificate_in(folder: Path, certificate: str, private_key: str) -> None:
    made = trustme.CA().issue_cert("smtp.council.example")
    made.cert_chain_pems[0].write_to_path(folder / certificate)
    made.private_key_pem.write_to_path(folder / private_key)


def test_the_smallest_useful_file_gives_every_default_of_the_contract(file: Path) -> None:
    tree = load(file, {}).settings.written()
    for section, promised in yaml.safe_load(CONTRACT).items():
        if isinstance(promised, dict):
            assert {key: tree[section][key] for key in promised} == promised
        else:
            assert tree[section] == promised
    assert tree["auth"]["file"] == str(file.parent / "users.yaml")


def test_the_contract_written_out_loads_and_means_the_same(file: Path) -> None:
    implied = load(file, {}).settings
    file.write_text(CONTRACT)
    assert load(file, {}).settings == implied


def test_a_partial_refusal_refuses_all_on_listeners_with_a_login_unless_written(file: Path) -> None:
    delivery = load(file, {}).settings.delivery
    assert (delivery.refuses_all(authenticated=True), delivery.refuses_all(authenticated=False)) == (True, False)
    delivery = load(rewritten(file, "delivery: {partial_refusal: bounce}"), {}).settings.delivery
    assert (delivery.refuses_all(authenticated=True), delivery.refuses_all(authenticated=False)) == (False, False)


@pytest.mark.parametrize(
    ("servers", "tls"),
    [
        ('["127.0.0.1:25"]', "none"),
        ('["127.3.2.1:25", "[::1]:25", "localhost:25"]', "none"),
        ('["127.0.0.1:25", "smtp.council.example:25"]', "starttls"),
    ],
)
def test_the_upstream_is_plain_by_default_on_loopback_only(file: Path, servers: str, tls: str) -> None:
    file.write_text(f"organisation: {{domains: [council.example]}}\nupstream: {{servers: {servers}}}\n")
    assert load(file, {}).settings.upstream.tls == tls
    file.write_text(f"organisation: {{domains: [council.example]}}\nupstream: {{servers: {servers}, tls: none}}\n")
    assert load(file, {}).settings.upstream.tls == "none"


def test_a_listener_off_loopback_asks_for_tls_and_login_unless_written(file: Path) -> None:
    certificate_in(file.parent, "c.pem", "k.pem")
    more = 'listeners: [{bind: "0.0.0.0:587"}, {bind: "[::]:25", auth: none}, {bind: "[::1]:26"}]\n'
    loaded = load(rewritten(file, more + "tls: {certificate: c.pem, private_key: k.pem}"), {}).settings
    submission, gateway, local = loaded.listeners
    assert (submission.tls, submission.auth) == ("starttls", "required")
    assert ip_network("0.0.0.0/0") in submission.networks
    assert (gateway.tls, gateway.auth, gateway.bind) == ("starttls", "none", HostPort("::", 25))
    assert gateway.networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert (local.tls, local.auth, local.name) == ("none", "none", "[::1]:26")
    assert loaded.tls.certificate == file.parent / "c.pem"


@pytest.mark.parametrize("key", ["other.pem", "c.pem", "nonsense.pem", "locked.pem"])
def test_a_certificate_that_does_not_go_with_its_key_is_a_complaint(file: Path, key: str) -> None:
    certificate_in(file.parent, "c.pem", "k.pem")
    certificate_in(file.parent, "unused.pem", "other.pem")
    (file.parent / "nonsense.pem").write_text("nonsense")
    private_key = load_pem_private_key((file.parent / "k.pem").read_bytes(), None)
    locked = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase"))
    (file.parent / "locked.pem").write_bytes(locked)
    more = f'listeners: [{{bind: "0.0.0.0:587"}}]\ntls: {{certificate: c.pem, private_key: {key}}}\n'
    with pytest.raises(ConfigurationError) as raised:
        load(rewritten(file, more), {})
    (complaint,) = raised.value.complaints
    assert complaint.startswith(f"{file}, line 4: tls.certificate")
    assert "cannot be used with the key" in complaint
    assert key in complaint


def test_conf_d_is_merged_in_order_of_names_maps_deeply_and_lists_replaced(file: Path) -> None:
    rewritten(file, "delivery: {retry: [1m, 2m], give_up_after: 1d}\nlimits: {recipients: 10}\n")
    folder = file.parent / "conf.d"
    folder.mkdir()
    (folder / "20-last.yaml").write_text("delivery: {retry: [9m]}\n")
    (folder / "10-first.yaml").write_text("delivery: {retry: [7m], live_deadline: 20s}\n")
    (folder / ".hidden.yaml").write_text("nonsense")
    (folder / "notes.txt").write_text("nonsense")
    loaded = load(file, {})
    assert loaded.settings.delivery.retry == (timedelta(minutes=9),)
    assert loaded.settings.delivery.live_deadline == timedelta(seconds=20)
    assert loaded.settings.delivery.give_up_after == timedelta(days=1)
    assert loaded.settings.limits.recipients == 10
    assert loaded.files == (file, folder / "10-first.yaml", folder / "20-last.yaml")


def test_a_conf_d_that_cannot_be_looked_into_is_a_complaint_and_never_ignored(file: Path) -> None:
    folder = file.parent / "conf.d"
    folder.symlink_to(folder)
    with pytest.raises(ConfigurationError) as raised:
        load(file, {})
    (complaint,) = raised.value.complaints
    assert complaint.startswith(f"{folder}: cannot be read (")


def test_whoever_may_not_read_the_configuration_is_told_so(file: Path) -> None:
    file.parent.chmod(0)
    if was_root := os.geteuid() == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigurationError) as raised:
            load(file, {})
    finally:
        if was_root:
            os.seteuid(0)
        file.parent.chmod(0o700)
    (complaint,) = raised.value.complaints
    assert complaint == f"{file}: cannot be read (Permission denied); give the command with sudo, or correct its rights"


def test_a_complaint_about_conf_d_names_that_file_and_its_line(file: Path) -> None:
    folder = file.parent / "conf.d"
    folder.mkdir()
    (folder / "a.yaml").write_text("# mine\nlimits:\n  recipients: none\n")
    with pytest.raises(ConfigurationError) as raised:
        load(file, {})
    assert raised.value.complaints == (
        f"{folder / 'a.yaml'}, line 3: limits.recipients ('none') is not a whole number; write digits",
    )


def test_a_key_without_value_goes_back_to_its_default(file: Path) -> None:
    assert load(rewritten(file, "listeners:\nlimits: {recipients: }\n"), {}).settings.limits.recipients == 2000


def test_the_environment_wins_over_files_and_takes_lists_and_maps_as_yaml(file: Path) -> None:
    rewritten(file, "limits: {recipients: 10, connections: 7}\npolicy: {builtin: {large-circle: off}}\n")
    settings = load(
        file,
        {
            "BCC_RELAY_LIMITS__RECIPIENTS": "20",
            "BCC_RELAY_DELIVERY__RETRY": '["2m", "3m"]',
            "BCC_RELAY_POLICY__BUILTIN__LARGE_CIRCLE": "{visible_outsiders: 40}",
            "BCC_RELAY_POLICY__BUILTIN__FAMILIES__VISIBLE_OUTSIDERS": "15",
            "BCC_RELAY_POLICY__BUILTIN__IN_PIECES": "off",
            "BCC_RELAY_REWRITE__NAMES_NOTE": "true",
            "BCC_RELAY_WORKERS": "2",
            "BCC_RELAY_ORGANISATION__NAME": "[Council]",
            "HOME": "/root",
        },
    ).settings
    assert (settings.limits.recipients, settings.limits.connections) == (20, 7)
    assert settings.delivery.retry == (timedelta(minutes=2), timedelta(minutes=3))
    assert settings.policy.builtin.large_circle.visible_outsiders == 40
    assert settings.policy.builtin.families.visible_outsiders == 15
    assert settings.policy.builtin.in_pieces is None
    assert settings.rewrite.names_note
    assert settings.workers == 2
    assert settings.organisation.name == "[Council]"


def test_the_environment_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bcc_relay.settings.reading.DEFAULT_PATH", tmp_path / "none.yaml")
    loaded = load(
        None,
        {
            "BCC_RELAY_ORGANISATION__DOMAINS": "[council.example]",
            "BCC_RELAY_UPSTREAM__SERVERS": "['postfix:25']",
            # What Kubernetes sets in a pod beside a service called bcc-relay.
            "BCC_RELAY_SERVICE_HOST": "10.0.0.1",
            "BCC_RELAY_PORT_2525_TCP_ADDR": "10.0.0.1",
            "BCC_RELAY_METRICS_SERVICE_PORT_HTTP": "9125",
        },
    )
    assert loaded.files == ()
    assert loaded.settings.upstream.servers == (HostPort("postfix", 25),)


def test_a_missing_default_file_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bcc_relay.settings.reading.DEFAULT_PATH", tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError) as raised:
        load(None, {})
    assert raised.value.complaints == (
        f"{tmp_path / 'none.yaml'}: does not exist; create it, or name another with --config",
    )


def test_the_file_named_on_the_command_line_wins_over_the_variable(file: Path) -> None:
    assert load(file, {"BCC_RELAY_CONFIG": "/nowhere"}).files == (file,)
    assert load(None, {"BCC_RELAY_CONFIG": str(file)}).files == (file,)


def test_environment_references_inside_a_file_stay_as_written(file: Path) -> None:
    assert load(
        rewritten(file, "log: {}\nnotices: {language: '${HOME}'}"), {"HOME": "x"}
    ).settings.notices.language == ("${HOME}")


def test_the_upstream_password_comes_from_its_file_and_prints_as_stars(file: Path) -> None:
    (file.parent / "password").write_text("correct horse\nsecond line\n")
    file.write_text(
        "organisation: {domains: [council.example]}\n"
        'upstream: {servers: ["smtp.council.example:25"], username: relay, password_file: password}\n'
    )
    settings = load(file, {}).settings
    assert settings.upstream.password.get_secret_value() == "correct horse"
    assert "correct horse" not in repr(settings) + str(settings) + str(settings.written())
    assert settings.written()["upstream"]["password"] == "********"


def test_the_upstream_password_may_come_from_the_environment(file: Path) -> None:
    environment = {"BCC_RELAY_UPSTREAM__USERNAME": "relay", "BCC_RELAY_UPSTREAM__PASSWORD": "{123"}
    assert load(file, environment).settings.upstream.password.get_secret_value() == "{123"


def test_a_systemd_credential_sets_its_key(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "secret-key").write_text("k" * 32)
    assert load(file, {"CREDENTIALS_DIRECTORY": str(folder)}).settings.secret_file == folder / "secret-key"
    environment = {"CREDENTIALS_DIRECTORY": str(folder), "BCC_RELAY_SECRET_FILE": str(file)}
    assert load(file, environment).settings.secret_file == file


def test_a_database_password_is_not_shown(file: Path) -> None:
    loaded = load(rewritten(file, 'store: {url: "postgresql://relay:hunter2@db/relay"}'), {})
    assert loaded.settings.written()["store"]["url"] == "postgresql://relay:********@db/relay"
    assert "hunter2" not in repr(loaded.settings)


def test_an_own_rule_arrives_as_it_was_written(file: Path) -> None:
    rules = """
policy:
  rules:
    - name: governors
      when: {sender: [Clerk@Council.example, "@school.example", "<>"], visible_outsiders: {at_most: 40}, until: 2027-03-31}
      then: pass
    - name: clinic
      when: {subject: 'Befund|x-ray', header: {X-Kind: "^clinic$"}, channel: to, network: 10.0.0.0/8, encrypted: no}
      then: rewrite
      rewrite: individual
      sentence: "Patients must not see each other's addresses."
      mode: monitor
"""
    governors, clinic = load(rewritten(file, rules), {}).settings.policy.rules
    assert governors.when.until == date(2027, 3, 31)
    assert governors.when.sender == ("Clerk@council.example", "@school.example", "<>")
    assert clinic.when.subject.search("Ihr BEFUND liegt vor")
    assert not clinic.when.subject.search("\udcff")
    assert clinic.when.header["x-kind"].search("Clinic")
    assert clinic.when.encrypted is False
    assert clinic.when.network == (ip_network("10.0.0.0/8"),)
    assert (clinic.rewrite, clinic.mode) == ("individual", "monitor")


@pytest.mark.parametrize("off", ["off", "false", "'off'", "no"])
def test_a_builtin_rule_is_switched_off_by_off_or_false(file: Path, off: str) -> None:
    settings = load(rewritten(file, f"policy: {{builtin: {{large-circle: {off}}}}}"), {}).settings
    assert settings.policy.builtin.large_circle is None
    assert settings.written()["policy"]["builtin"]["large-circle"] is False


def test_what_is_shown_as_effective_loads_again_and_means_the_same(file: Path) -> None:
    rewritten(file, "policy: {builtin: {families: off}, rules: [{name: a, when: {subject: 'x'}, then: hold}]}\n")
    first = load(file, {}).settings
    tree = first.written()
    del tree["upstream"]["password"]
    file.write_text(yaml.safe_dump(tree))
    assert load(file, {}).settings.written() == first.written()


def test_internationalised_domains_arrive_as_a_labels(file: Path) -> None:
    file.write_text('organisation: {domains: [Gemeinde-Köln.example.]}\nupstream: {servers: ["bücher.example:25"]}\n')
    settings = load(file, {}).settings
    assert settings.organisation.domains == ("xn--gemeinde-kln-ejb.example",)
    assert settings.upstream.servers[0].host == "xn--bcher-kva.example"


@pytest.mark.parametrize("text", ["0d", "50s", "1m", "90s", "2d", "14d", "365d", "6y", "1h", "36h"])
def test_durations_are_written_as_they_are_read(text: str) -> None:
    assert write_duration(parse_duration(text)) == text


def test_the_settings_are_frozen(file: Path) -> None:
    settings = load(file, {}).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.limits.recipients = 3


def test_every_key_says_in_the_schema_what_it_is_for() -> None:
    schema = json_schema()
    parts = {**schema["$defs"], "Settings": {"properties": {}}}
    missing = [
        f"{name}.{key}"
        for name, part in parts.items()
        for key, about in part.get("properties", {}).items()
        if "description" not in about
    ]
    assert missing == []
    assert set(schema["properties"]) == set(keys_of(Settings))
    assert len(every_key()) > 100


def test_the_schema_accepts_the_contract_and_refuses_a_misspelt_key() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema())
    tree = yaml.safe_load(CONTRACT)
    assert list(validator.iter_errors(tree)) == []
    tree["policy"]["builtin"]["families"] = False
    tree["policy"]["rules"] = [{"name": "a", "when": {"sender": "@b.example", "size": {"at_least": 3}}, "then": "pass"}]
    assert list(validator.iter_errors(tree)) == []
    tree["delivery"]["retries"] = []
    assert len(list(validator.iter_errors(tree))) == 1


def test_a_file_that_cannot_be_text_is_a_complaint(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="is not UTF-8 text"):
        load(file, {})
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(file.parent, {})


def test_without_looking_at_files_a_missing_certificate_is_no_complaint(file: Path) -> None:
    more = 'listeners: [{bind: "0.0.0.0:587"}]\ntls: {certificate: no.pem, private_key: no.pem}\n'
    assert load(rewritten(file, more), {}, check_files=False).settings.tls.certificate == file.parent / "no.pem"


SECTIONS = sorted(keys_of(Settings))
KEYS = sorted({key.rpartition(".")[2].removesuffix("[]") for key, _ in every_key()})
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["off", "1m", "council.example", "127.0.0.1:25", "@x.example", "a@b.example", "(", "sender", "to"]),
    st.dates(),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
trees = st.dictionaries(st.sampled_from(SECTIONS) | st.text(max_size=8), values, max_size=5)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees | values)
def test_no_yaml_document_raises_anything_but_a_configuration_error(tmp_path: Path, tree: object) -> None:
    file = tmp_path / "any.yaml"
    file.write_text(yaml.safe_dump(tree, allow_unicode=True), "utf-8", errors="surrogatepass")
    complaints_of(file)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | st.text("ab{}[]:,&*!?-|>'\"#%@` \n\t0.~<", max_size=40))
def test_no_text_raises_anything_but_a_configuration_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "any.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    complaints_of(file)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([key for key, _ in every_key() if "[]" not in key]), value=st.text(max_size=20))
def test_no_variable_raises_anything_but_a_configuration_error(tmp_path: Path, name: str, value: str) -> None:
    file = tmp_path / "any.yaml"
    file.write_text(SMALLEST)
    complaints_of(file, {f"BCC_RELAY_{name.replace('.', '__').replace('-', '_').upper()}": value})


def complaints_of(file: Path, environment: dict[str, str] | None = None) -> None:
    complaints: tuple[str, ...] = ()
    try:
        load(file, environment or {})
    except ConfigurationError as error:
        complaints = error.complaints or ("",)
    for complaint in complaints:
        assert complaint
        assert complaint.isprintable(), complaint
        assert len(complaint) < 2000


def test_deep_nesting_is_a_complaint(file: Path) -> None:
    for text in ("[" * 5000, "{a: " * 3000 + "1" + "}" * 3000, "[" * 150 + "]" * 150):
        file.write_text(f"organisation: {text}")
        with pytest.raises(ConfigurationError):
            load(file, {})
