# SPDX-License-Identifier: Apache-2.0
"""What the providers' own SDKs sign is taken, and nothing that differs from it is. Against a gateway that runs."""

import os
import socket
import time
import urllib.parse

import pytest
import schemes
import tampering
from cluster import running
from schemes import SCHEMES, event

# A gateway for the names of the forms alone: they are the same for every one.
class Nowhere:
    public_url = "http://127.0.0.1:1"


CASES = [
    (scheme, name)
    for scheme, make in SCHEMES.items()
    for name, _ in tampering.forms(make(Nowhere), event(scheme, 0)[1], 1_700_000_000)
]


@pytest.fixture(scope="module")
def cluster(programs, work):
    directory = os.path.dirname(os.path.abspath(__file__))
    with running(
        programs, os.path.join(work, "cluster"), users=1, objects=1,
        LOCKSTEP_CONNECTORS=os.path.join(directory, "connectors"),
        # While a secret is rolled there are two.
        LOCKSTEP_WEBHOOK_STRIPE_SECRET=f"whsec_the_next_one {schemes.STRIPE_SECRET}",
        LOCKSTEP_WEBHOOK_SLACK_SECRET=schemes.SLACK_SECRET,
        LOCKSTEP_WEBHOOK_STANDARD_SECRET=schemes.STANDARD_SECRET,
        LOCKSTEP_WEBHOOK_HUBSPOT_HOOKS_SECRET=schemes.HUBSPOT_SECRET,
    ) as cluster:
        yield cluster


def send(cluster, request):
    """Sends a request byte by byte as it is written here: libraries would mend some of it. The status and the body."""
    host, port = urllib.parse.urlparse(cluster.public_url).netloc.split(":")
    head = [f"{request.method} {request.path} HTTP/1.1", f"Host: {host}:{port}", f"Content-Length: {len(request.body)}",
            "Connection: close"]
    head += [f"{name}: {value}" for name, value in request.headers]
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall("\r\n".join(head + ["", ""]).encode())
        try:
            connection.sendall(request.body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It was refused before its end.
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    status, _, rest = answer.partition(b"\r\n")
    return int(status.split()[1]), rest.partition(b"\r\n\r\n")[2]


def kept(cluster, where="true"):
    return int(cluster.query(f"SELECT count(*) FROM lockstep.webhook_events WHERE {where}"))


TEXTS = ["Zoé", "日本語 \U0001f469\u200d\U0001f467", "\\u0000 and \"quotes\"", "line\nfeed\ttab", "a" * 100_000, "", "</script>", "e\u0301"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_the_sdk_signs_is_taken_once(cluster, scheme):
    signer = SCHEMES[scheme](cluster)
    service = signer.path.rsplit("/", 1)[1]
    for number, text in enumerate(TEXTS, start=1):
        _, body = event(scheme, number, text)
        # Sent twice, the second time signed anew, as a retry is.
        for moment in (int(time.time()) - 200, int(time.time())):
            status, _ = send(cluster, signer.request(body, moment))
            assert status == 200, f"{scheme}: {text[:40]!r}"
    assert kept(cluster, f"service = '{service}'") == len(TEXTS)
    if scheme == "standard":
        return
    for number in range(1, len(TEXTS) + 1):
        assert kept(cluster, f"service = '{service}' AND event_id = '{event(scheme, number)[0]}'") == 1


def test_slack_gets_its_challenge_back(cluster):
    signer = SCHEMES["slack"](cluster)
    body = b'{"token":"Jhj5dZrVaK7ZwHHjRyZWjbDl","challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","type":"url_verification"}'
    before = kept(cluster)
    status, answer = send(cluster, signer.request(body, int(time.time())))
    assert (status, answer) == (200, b"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P")
    assert send(cluster, signer.request(body, int(time.time()), "another"))[0] == 401
    assert kept(cluster) == before


def test_there_are_forty_forms_of_each_scheme():
    for scheme in SCHEMES:
        names = [name for found, name in CASES if found == scheme]
        assert len(names) >= 40 and len(set(names)) == len(names), f"{scheme}: {names}"


@pytest.mark.parametrize("scheme,name", CASES, ids=[f"{scheme}: {name}" for scheme, name in CASES])
def test_a_tampered_form_is_refused(cluster, scheme, name):
    signer = SCHEMES[scheme](cluster)
    _, body = event(scheme, 1_000_000)
    request = dict(tampering.forms(signer, body, int(time.time())))[name]
    before = kept(cluster)

    status, _ = send(cluster, request)

    assert status == request.status, f"{scheme}: {name}"
    assert kept(cluster) == before, f"{scheme}: {name} left a row"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_form_that_was_tampered_with_was_good(cluster, scheme):
    signer = SCHEMES[scheme](cluster)
    _, body = event(scheme, 1_000_000)
    before = kept(cluster)
    assert send(cluster, signer.request(body, int(time.time())))[0] == 200
    assert kept(cluster) == before + 1
