"""Subscribers as values: what is taken for an address, how they are called, which links hold, what they are told."""

import json
import string
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firestation.errors import InvalidInput
from firestation.model import canonical_json
from firestation.public_page.notice import hook, letter, notices, subject
from firestation.public_page.subscriber import (
    email_address,
    is_outside,
    mailbox,
    off_token,
    read_off_token,
    subscriber_id,
    webhook_address,
    wish_of,
)
from tests.property.public_pages import HOSTILE, component, part, word

KEY, OTHER = b"the key of a station in a test..", b"the key of another station......"
LOCALS = st.text(string.ascii_letters + string.digits + "._+=~-", min_size=1, max_size=30)
OFF = "https://fire.example.org/unsubscribe/fsu_x"


@given(st.text(max_size=60))
def test_what_is_taken_for_an_address_is_one_word_and_its_own_form(text: str) -> None:
    for read in (email_address, webhook_address):
        try:
            found = read(text)
        except InvalidInput:
            continue
        assert read(found) == found
        assert found.isascii()
        assert not set(found) & set(' \r\n\t,;<>"\\')


@given(
    LOCALS,
    st.sampled_from(["example.org", "Mail.EXAMPLE.org", "bücher.example", "localhost", "x..org", "[::1]"]),
)
def test_a_mailbox_has_one_name_however_it_is_written(local: str, domain: str) -> None:
    try:
        found = email_address(f" {local}@{domain} ")
    except InvalidInput:
        pieces = local.replace("+", ".").split(".")
        assert domain in {"localhost", "x..org", "[::1]"} or "" in pieces or local.count("+") > 1
        return
    assert subscriber_id("email", found, KEY) == subscriber_id("email", found.upper().lower(), KEY)
    assert subscriber_id("email", found, KEY) != subscriber_id("email", found, OTHER)
    assert subscriber_id("email", found, KEY) != subscriber_id("email", f"x{found}", KEY)
    plain, _, host = found.partition("@")
    assert mailbox("email", f"{plain.partition('+')[0]}+tag@{host}", KEY) == mailbox("email", found, KEY)


@pytest.mark.parametrize(
    "text",
    [
        "ana@example.org\r\nBcc: eve@example.org",
        "ana@example.org, eve@example.org",
        "Ana <ana@example.org>",
        '"a b"@example.org',
        "ana@example",
        "ana@127.0.0.1",
        "ana%eve.example@example.org",
        "eve@a@example.org",
        ".ana@example.org",
        f"{'a' * 65}@example.org",
        "",
    ],
)
def test_what_could_reach_somebody_else_is_no_mailbox(text: str) -> None:
    with pytest.raises(InvalidInput, match="email"):
        email_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://hooks.example.org/x",
        "https://user:pass@hooks.example.org/x",
        "https://hooks.example.org@127.0.0.1/x",
        "https://localhost/x",
        "https://metadata/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://127.1/x",
        "https://hooks.example.org/x#y",
        "https://hooks.example.org\\@127.0.0.1/",
        "https://hooks.example.org:0/x",
        "https://hooks.example.org:99999/x",
        "https://[::1",
        "https:///x",
        "file:///etc/passwd",
        "",
    ],
)
def test_what_is_no_plain_webhook_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="webhook"):
        webhook_address(text)


def test_a_webhook_may_have_a_port_a_path_and_a_query() -> None:
    assert webhook_address(" https://Hooks.Example.org./a?t=1 ") == "https://hooks.example.org/a?t=1"
    assert webhook_address("https://hooks.example.org:443") == "https://hooks.example.org/"
    assert webhook_address("https://[2606:4700::1111]:8443/x") == "https://[2606:4700::1111]:8443/x"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "168.63.129.16",
        "192.0.0.192",
        "192.88.99.1",
        "hooks.example.org",
    ],
)
def test_addresses_of_a_network_of_ones_own_are_not_outside(address: str) -> None:
    assert not is_outside(address)


def test_addresses_of_the_internet_are_outside() -> None:
    assert is_outside("93.184.215.14")
    assert is_outside("2606:4700::1111")


@given(st.sampled_from(["email", "webhook"]), st.text(max_size=40), st.data())
def test_only_the_whole_link_of_this_station_unsubscribes(
    kind: str, address: str, data: st.DataObject
) -> None:
    name = subscriber_id("email" if kind == "email" else "webhook", address, KEY)
    token = off_token(name, KEY)
    assert read_off_token(token, KEY) == name
    assert read_off_token(token, OTHER) is None
    at = data.draw(st.integers(0, len(token) - 1))
    new = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_=%/ é"))
    changed = token[:at] + new + token[at + 1 :]
    assert (read_off_token(changed, KEY) is None) is (changed != token)
    assert read_off_token(token[:at], KEY) is None
    assert read_off_token(token + new, KEY) is None


@given(st.text(max_size=200))
def test_a_link_of_somebodys_own_making_unsubscribes_nobody(token: str) -> None:
    assert read_off_token(token, KEY) is None
    assert read_off_token(f"fsu_{token}", KEY) is None


@given(st.text(min_size=1, max_size=200).filter(str.strip))
def test_a_mail_is_the_word_on_one_subject_line_and_the_ways_on(text: str) -> None:
    said = word(7, f"{HOSTILE} {text}".encode(errors="replace").decode())
    named = part(words=(said,), components=(component("R").changed(title=f"R\u2028{HOSTILE}"),))
    (notice,) = notices(named, "Example status", "https://status.example.org/")
    line, body = subject(notice), letter(notice, OFF)
    assert len(line) <= 200
    assert all(each.isprintable() for each in line)
    assert "\u202e" not in body
    assert body.rstrip().endswith(OFF)
    assert f"https://status.example.org/incidents/{named.reference}.html" in body
    assert json.loads(canonical_json(hook(notice, OFF)))["unsubscribe"] == OFF


def test_each_word_is_told_under_its_own_number_and_only_the_last_says_what_comes_next() -> None:
    shown = part(words=(word(7), word(20, "It is contained.")))
    first, second = notices(shown, "Status", None)
    assert (first.id, second.id) == (f"{shown.reference}/0001", f"{shown.reference}/0002")
    assert first.next_due is None
    assert second.next_due == second.word.at + timedelta(minutes=30)
    assert "https://" not in letter(first, "")
    assert notices(shown.changed(version=9), "Status", None) == (first, second)


def test_who_chose_components_hears_of_these_only() -> None:
    (notice,) = notices(part(), "Status", None)
    ours = notice.components[0]
    assert notice.concerns(())
    assert notice.concerns((ours, "0123456789ab"))
    assert not notice.concerns(("0123456789ab",))
    assert notice.changed(components=()).concerns(("0123456789ab",))


@pytest.mark.parametrize(
    ("fields", "components", "field"),
    [
        ({}, (), "email"),
        ({"email": "ana@example.org", "webhook": "https://hooks.example.org/"}, (), "email"),
        ({"email": "ana"}, (), "email"),
        ({"webhook": "ana"}, (), "webhook"),
        ({"email": "ana@example.org"}, ("../../etc",), "component"),
        ({"email": "ana@example.org"}, ("0123456789ab",) * 41, "component"),
    ],
)
def test_a_form_that_cannot_be_used_says_where(
    fields: dict[str, str], components: tuple[str, ...], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        wish_of(fields, components, "whsec_x")
    assert caught.value.field == field
