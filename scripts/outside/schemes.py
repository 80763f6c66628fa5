# SPDX-License-Identifier: Apache-2.0
"""Providers that sign, each by its own SDK."""

import base64
import json
import uuid
from datetime import datetime, timezone

import stripe
from hubspot.utils.signature import Signature as HubSpotSignature
from slack_sdk.signature import SignatureVerifier
from standardwebhooks.webhooks import Webhook
from tampering import Scheme

STRIPE_SECRET = "whsec_0123456789abcdefghijklmnopqrstuv"
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
HUBSPOT_SECRET = "9d4f1c6e-1b6f-4c1b-9f4e-8a6a1c2d3e4f"
STANDARD_KEY = bytes(range(32))
STANDARD_SECRET = "whsec_" + base64.b64encode(STANDARD_KEY).decode()


def written_hex(digest):
    return digest.hexdigest()


def written_base64(digest):
    return base64.b64encode(digest.digest()).decode()


def stripe_scheme(cluster):
    def sign(body, time, secret, path):
        code = stripe.WebhookSignature._compute_signature(f"{time}.{body.decode()}", secret)
        return [("Content-Type", "application/json; charset=utf-8"), ("Stripe-Signature", f"t={time},v1={code}")]

    def stamp(signed):
        return signed.value("Stripe-Signature").split(",")[0][2:]

    return Scheme(
        "stripe", "/webhooks/stripe", STRIPE_SECRET, "whsec_of_another_endpoint", "Stripe-Signature",
        len("t=1234567890,v1="), sign, "", stamp_in_signature=True,
        more={"stamp": stamp, "text": lambda s: f"{stamp(s)}.".encode() + s.body, "write": written_hex,
              "other_path": "/webhooks/slack"})


def slack_scheme(cluster):
    def sign(body, time, secret, path):
        code = SignatureVerifier(secret).generate_signature(timestamp=str(time), body=body)
        return [("Content-Type", "application/json"), ("X-Slack-Request-Timestamp", str(time)), ("X-Slack-Signature", code)]

    def stamp(signed):
        return signed.value("X-Slack-Request-Timestamp")

    return Scheme(
        "slack", "/webhooks/slack", SLACK_SECRET, "0" * 32, "X-Slack-Signature", len("v0="), sign,
        "X-Slack-Request-Timestamp",
        more={"stamp": stamp, "text": lambda s: f"v0:{stamp(s)}:".encode() + s.body, "write": written_hex,
              "other_path": "/webhooks/stripe"})


def standard_scheme(cluster):
    def sign(body, time, secret, path):
        # The same event has the same id, as the specification wants it.
        event = f"msg_{uuid.uuid5(uuid.NAMESPACE_OID, body.decode()).hex}"
        code = Webhook(secret).sign(event, datetime.fromtimestamp(time, tz=timezone.utc), body.decode())
        return [("Content-Type", "application/json"), ("webhook-id", event), ("webhook-timestamp", str(time)),
                ("webhook-signature", code)]

    def stamp(signed):
        return signed.value("webhook-timestamp")

    return Scheme(
        "standard", "/webhooks/standard", STANDARD_SECRET, "whsec_" + base64.b64encode(b"x" * 32).decode(),
        "webhook-signature", len("v1,"), sign, "webhook-timestamp",
        more={"stamp": stamp, "key": STANDARD_KEY, "write": written_base64, "other_path": "/webhooks/stripe",
              "longer": "whsec_" + base64.b64encode(STANDARD_KEY + b"0").decode(),
              "shorter": "whsec_" + base64.b64encode(STANDARD_KEY[:-1]).decode(),
              "text": lambda s: f"{s.value('webhook-id')}.{stamp(s)}.".encode() + s.body})


def hubspot_scheme(cluster):
    def sign(body, time, secret, path):
        stamp = str(time * 1_000)
        code = HubSpotSignature.get_signature(
            secret, body.decode(), "v3", http_uri=cluster.public_url + path, http_method="POST", timestamp=stamp)
        return [("Content-Type", "application/json"), ("X-HubSpot-Request-Timestamp", stamp), ("X-HubSpot-Signature-v3", code)]

    def stamp(signed):
        return signed.value("X-HubSpot-Request-Timestamp")

    return Scheme(
        "hubspot", "/webhooks/hubspot-hooks", HUBSPOT_SECRET, "0" * 36, "X-HubSpot-Signature-v3", 0, sign,
        "X-HubSpot-Request-Timestamp", unit=1_000,
        more={"stamp": stamp, "write": written_base64, "other_path": "/webhooks/stripe",
              "text": lambda s: f"POST{cluster.public_url}{s.path}".encode() + s.body + stamp(s).encode()})


SCHEMES = {"stripe": stripe_scheme, "slack": slack_scheme, "standard": standard_scheme, "hubspot": hubspot_scheme}


def event(scheme, number, text="Zoé"):
    """An event as the provider writes it, and what it is called."""
    if scheme == "slack":
        name = f"Ev{number:08d}"
        tree = {"token": "one-long-verification-token", "team_id": "T061EG9R6", "api_app_id": "A0MDYCDME",
                "event": {"type": "message", "channel": "C024BE7LR", "user": "U061F7AUR", "text": text, "ts": "1482960137.003543"},
                "type": "event_callback", "event_id": name, "event_time": 1482960137}
    elif scheme == "stripe":
        name = f"evt_{number:08d}"
        tree = {"id": name, "object": "event", "account": "acct_1032D82eZvKYlo2C", "api_version": "2024-06-20", "created": 1680064028,
                "data": {"object": {"id": "cus_1", "object": "customer", "name": text, "balance": 10, "metadata": {}}},
                "livemode": False, "pending_webhooks": 1, "type": "customer.updated"}
    else:
        name = f"event-{number}"
        tree = {"id": name, "type": "thing.updated", "account": "acme", "timestamp": "2022-11-03T20:26:10.344522Z",
                "data": {"name": text, "count": 1, "nothing": None}}
    return name, json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode()
