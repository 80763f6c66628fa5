# SPDX-License-Identifier: Apache-2.0
"""Forms of a signed request that a gateway has to refuse. The list is always the same: nothing in it is random."""

import hashlib
import hmac
import json
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Signed:
    """A request as its provider sends it."""

    path: str
    headers: tuple
    body: bytes
    method: str = "POST"
    status: int = 401  # what a gateway answers to a tampered form

    def value(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def with_header(self, name, value):
        """Another value for a header; None takes it away."""
        pairs = ((key, value if key.lower() == name.lower() else old) for key, old in self.headers)
        return replace(self, headers=tuple((key, text) for key, text in pairs if text is not None))

    def adding(self, name, value):
        return replace(self, headers=self.headers + ((name, value),))


@dataclass(frozen=True)
class Scheme:
    """How one provider signs, by its own SDK.

    `sign(body, time, secret, path)` gives the headers, `time` in seconds. `start` is where the code begins in the header of
    the signature. `signed_text(body, stamp)` is what the code is of, for codes of other kinds.
    """

    name: str
    path: str
    secret: str
    other_secret: str
    header: str
    start: int
    sign: object
    stamp_header: str
    unit: int = 1  # of the stamp: parts of a second
    stamp_in_signature: bool = False
    more: dict = field(default_factory=dict)

    def request(self, body, now, secret=None):
        return Signed(self.path, tuple(self.sign(body, now, secret or self.secret, self.path)), body)


def flip(body, place, bit):
    changed = bytearray(body)
    changed[place] ^= 1 << bit
    return bytes(changed)


def bodies(scheme, make, now):
    """The content is not the one that was signed."""
    good = make(now)
    body = good.body
    last = len(body) - 1
    for part, bit in [(0, 0), (1, 5), (2, 0), (3, 5), (4, 0), (5, 5), (6, 0), (7, 5)]:
        yield f"bit {bit} of the body at {part}/7", replace(good, body=flip(body, last * part // 7, bit))
    tree = json.loads(body)
    turned = dict(reversed(list(tree.items())))
    for label, changed in [
        ("no body", b""), ("a byte less", body[:-1]), ("half the body", body[:len(body) // 2]), ("a byte more", body + b"\0"),
        ("a line end after the body", body + b"\n"), ("CR LF after the body", body + b"\r\n"), ("a space before the body", b" " + body),
        ("a byte order mark", b"\xef\xbb\xbf" + body), ("the body twice", body + body), ("another case", body.swapcase()),
        ("serialised again with spaces", json.dumps(tree, indent=1).encode()),
        ("serialised again in another order", json.dumps(turned, separators=(",", ":"), ensure_ascii=False).encode()),
        ("serialised again with escapes", body.replace("é".encode(), b"\\u00e9")),
        ("a null member more", body[:-1] + b',"x":null}'),
    ]:
        assert changed != body, label
        yield label, replace(good, body=changed)


def signatures(scheme, make, now):
    """The code is not the one of this content."""
    good = make(now)
    text = good.value(scheme.header)
    head, code = text[:scheme.start], text[scheme.start:]

    def form(changed):
        return good.with_header(scheme.header, head + changed)

    for part in range(6):
        place = (len(code) - 3) * part // 5
        other = "1" if code[place] != "1" else "2"
        yield f"character {part}/5 of the code", form(code[:place] + other + code[place + 1:])
    for label, changed in [
        ("no code", ""), ("a shorter code", code[:-1]), ("a longer code", code + "0"), ("half a code", code[:len(code) // 2]),
        ("a code of zeros", "0" * len(code)), ("the code backwards", code[::-1]), ("the code in the other case", code.swapcase()),
        ("a space in the code", code[:4] + " " + code[4:]), ("the code twice", code + code),
        ("the code in quotes", f'"{code}"'),
    ]:
        assert changed != code, label
        yield label, form(changed)
    yield "no signature", good.with_header(scheme.header, None)
    yield "an empty signature", good.with_header(scheme.header, "")
    yield "the signature's header twice", good.adding(scheme.header, text)
    yield "a signature in another header", good.with_header(scheme.header, None).adding("X-Signature", text)
    yield "a second signature that is wrong", good.adding(scheme.header, head + "0" * len(code))
    if head:
        yield "another version of the signature", good.with_header(scheme.header, text.replace("v1", "v9").replace("v0=", "v9="))
        yield "no version of the signature", good.with_header(scheme.header, code)
    other = make(now).body.replace(b"1", b"2", 1)
    yield "the signature of another body", replace(good, headers=scheme.request(other, now).headers)
    for label, secret in [
        ("another secret", scheme.other_secret), ("a longer secret", scheme.more.get("longer", scheme.secret + "0")),
        ("a shorter secret", scheme.more.get("shorter", scheme.secret[:-1])),
    ]:
        yield label, scheme.request(good.body, now, secret)
    key = scheme.more.get("key", scheme.secret.encode())
    for label, digest in [("SHA-1 in place of SHA-256", hashlib.sha1), ("SHA-512 in place of SHA-256", hashlib.sha512)]:
        weak = hmac.new(key, scheme.more["text"](good), digest)
        yield label, form(scheme.more["write"](weak))
    bare = hmac.new(key, good.body, hashlib.sha256)
    yield "a code of the body alone", form(scheme.more["write"](bare))
    plain = hashlib.sha256(key + good.body)
    yield "a hash in place of a code", form(scheme.more["write"](plain))


def times(scheme, make, now):
    """The time is not the one that was signed, or not near enough."""
    for label, moment in [
        ("signed seven minutes ago", now - 420), ("signed a day ago", now - 86_400), ("signed in 1970", 1),
        ("signed in seven minutes", now + 420), ("signed in a year", now + 31_536_000),
    ]:
        yield label, make(moment)
    good = make(now)
    stamp = scheme.more["stamp"](good)

    def form(changed):
        if scheme.stamp_in_signature:
            return good.with_header(scheme.header, good.value(scheme.header).replace(f"t={stamp}", f"t={changed}", 1))
        return good.with_header(scheme.stamp_header, changed)

    number = int(stamp)
    for label, changed in [
        ("a second later", f"{number + scheme.unit}"), ("a second earlier", f"{number - scheme.unit}"), ("with a plus", f"+{stamp}"),
        ("with a zero before", f"0{stamp}"), ("with a fraction", f"{stamp}.0"), ("negative", f"-{stamp}"), ("empty", ""),
        ("hexadecimal", hex(number)), ("as a word", "now"), ("too large", "9223372036854775808"), ("with an exponent", "1e9"),
    ]:
        yield f"the time {label}", form(changed)
    if scheme.stamp_in_signature:
        yield "no time", good.with_header(scheme.header, good.value(scheme.header).replace(f"t={stamp},", "", 1))
        yield "two times", good.with_header(scheme.header, f"t={number + 1}," + good.value(scheme.header))
    else:
        yield "no time", good.with_header(scheme.stamp_header, None)
        yield "two times", good.adding(scheme.stamp_header, stamp)


def requests(scheme, make, now):
    """The signature is right, but the request is not one to be taken."""
    good = make(now)
    yield "by PUT", replace(good, method="PUT", status=405)
    yield "by DELETE", replace(good, method="DELETE", status=405)
    yield "to an integration that is not there", replace(good, path=f"{good.path}/999999999")
    yield "to an integration that is no number", replace(good, path=f"{good.path}/%31x")
    yield "to a service that is not there", replace(good, path="/webhooks/nobody", status=404)
    yield "to another service", replace(good, path=scheme.more["other_path"])
    yield "said to be compressed", replace(good.adding("Content-Encoding", "gzip"), status=415)
    too_large = b'{"x":"' + b"a" * (1 << 20) + b'"}'
    yield "too large", replace(scheme.request(too_large, now), status=413)
    for label, body in [
        ("no JSON", b"event=1"), ("JSON with a member twice", b'{"id":"evt_1","id":"evt_2"}'), ("JSON and more", b'{"id":"evt_1"} x'),
        ("JSON without an end", b'{"id":"evt_1"'),
    ]:
        yield f"signed, but {label}", replace(scheme.request(body, now), status=400)


def forms(scheme, body, now):
    """Every tampered form with its name."""
    def make(moment):
        return scheme.request(body, moment)

    for part in (bodies, signatures, times, requests):
        yield from part(scheme, make, now)
