// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import Model

@testable import Webhooks

/// A request that its scheme accepts, and what there is to tamper with.
struct SignedCase: Sendable, CustomStringConvertible {
    let name: String
    let scheme: WebhookScheme
    var secrets: [SecretString]
    var headers: [(name: String, value: String)]
    var body: [UInt8]
    var now: Timestamp
    var url = "https://example.com/webhooks/x"
    /// The header with the signature, and where the signature begins in it.
    let signature: (header: String, start: Int)
    /// The header with the time, and what a second is in it. Stripe's is in the signature's header.
    var time: (header: String, scale: Int64)?

    var description: String { name }

    init(
        _ name: String, _ scheme: WebhookScheme, secret: String, headers: [(name: String, value: String)],
        body: String, now: Int64, signature: (header: String, start: Int),
        time: (header: String, scale: Int64)? = nil, url: String = "https://example.com/webhooks/x"
    ) {
        self.name = name
        self.scheme = scheme
        secrets = [SecretString(secret)]
        self.headers = headers
        self.body = Array(body.utf8)
        self.now = Timestamp(seconds: now)
        self.signature = signature
        self.time = time
        self.url = url
    }

    var request: WebhookRequest {
        WebhookRequest(method: "POST", url: url, headers: HTTPHeaders(headers), body: body)
    }

    /// Nil when it is accepted.
    var refusal: WebhookRefusal? {
        do throws(WebhookRefusal) {
            try scheme.verify(request, secrets: secrets, now: now)
            return nil
        } catch {
            return error
        }
    }

    func value(_ header: String) -> String {
        headers.first { $0.name.lowercased() == header.lowercased() }?.value ?? ""
    }

    func with(_ header: String, _ value: String?) -> SignedCase {
        var changed = self
        changed.headers = headers.compactMap { pair in
            guard pair.name.lowercased() == header.lowercased() else { return pair }
            return value.map { (pair.name, $0) }
        }
        return changed
    }

    func with(body: [UInt8]) -> SignedCase {
        var changed = self
        changed.body = body
        return changed
    }

    /// Forms that must be refused, each changed in one place.
    var tampered: [(label: String, form: SignedCase)] {
        bodies + signatures + times + keys
    }

    private var bodies: [(label: String, form: SignedCase)] {
        var forms: [(label: String, form: SignedCase)] = []
        for place in Set((0..<12).map { $0 * max(1, body.count - 1) / 11 }).sorted() {
            for bit in [0, 5] {
                var changed = body
                changed[place] ^= 1 << bit
                forms.append(("bit \(bit) of byte \(place)", with(body: changed)))
            }
        }
        forms += [
            ("no body", with(body: [])), ("a byte less", with(body: Array(body.dropLast()))),
            ("a byte more", with(body: body + [0])), ("a line end", with(body: body + [0x0A])),
            ("a space before", with(body: [0x20] + body)), ("the body twice", with(body: body + body)),
        ]
        return forms
    }

    private var signatures: [(label: String, form: SignedCase)] {
        let (header, start) = signature
        let text = value(header)
        let code = Array(text.unicodeScalars.dropFirst(start))
        let head = String(text.prefix(start))
        func form(_ label: String, _ code: some Sequence<Unicode.Scalar>) -> (String, SignedCase) {
            var changed = String.UnicodeScalarView()
            changed.append(contentsOf: code)
            return (label, with(header, head + String(changed)))
        }
        var forms: [(label: String, form: SignedCase)] = []
        for place in Set((0..<8).map { $0 * (code.count - 3) / 7 }).sorted() {
            var changed = code
            changed[place] = changed[place] == "1" ? "2" : "1"
            forms.append(form("character \(place) of the code", changed))
        }
        forms += [
            form("no code", []), form("a shorter code", code.dropLast()),
            form("a longer code", code + ["0"]), form("half a code", code.prefix(code.count / 2)),
            form("a code of NUL", code.map { _ in "\u{0}" }),
            form("a code beyond ASCII", ["é"] + code.dropFirst()),
            form("a code in full-width digits", code.map { $0 == "1" ? "\u{FF11}" : $0 } + ["\u{FF11}"]),
            form("a space in it", code.prefix(4) + [" "] + code.dropFirst(4)),
            ("no signature", with(header, nil)), ("an empty signature", with(header, "")),
        ]
        var doubled = self
        doubled.headers.append((header, text))
        forms.append(("the header twice", doubled))
        if start > 0 {
            forms.append(("another version", with(header, "v9" + text.dropFirst(2))))
            forms.append(("no version", with(header, String(text.dropFirst(start)))))
        }
        return forms
    }

    private var times: [(label: String, form: SignedCase)] {
        guard let time else { return [] }
        var forms: [(label: String, form: SignedCase)] = []
        for (label, seconds) in [("stale", Int64(301)), ("a day old", 86_400), ("of the future", -301)] {
            var changed = self
            changed.now = Timestamp(seconds: now.seconds + seconds)
            forms.append((label, changed))
        }
        let stamp = stamp(time.header)
        let number = Int64(stamp) ?? 0
        let texts = [
            "\(number + time.scale)", "\(number - time.scale)", "+\(stamp)", "0\(stamp)", "\(stamp) ",
            "\(stamp).0",
            "-\(stamp)", "", "nan", "0x10", "9223372036854775808", "\(stamp)\u{0}",
        ]
        for text in texts {
            forms.append(("the time \(text.debugDescription)", replacingStamp(time.header, text)))
        }
        return forms
    }

    private func stamp(_ header: String) -> String {
        guard scheme == .stripe else { return value(header) }
        return value(header).split(separator: ",").first.map { String($0.dropFirst(2)) } ?? ""
    }

    private func replacingStamp(_ header: String, _ stamp: String) -> SignedCase {
        guard scheme == .stripe else { return with(header, stamp) }
        let rest = value(header).drop { $0 != "," }
        return with(header, "t=\(stamp)\(rest)")
    }

    private var keys: [(label: String, form: SignedCase)] {
        func form(_ label: String, _ secrets: [SecretString]) -> (String, SignedCase) {
            var changed = self
            changed.secrets = secrets
            return (label, changed)
        }
        let secret = secrets[0].exposed
        return [
            form("no secret", []), form("an empty secret", [SecretString("")]),
            form("a longer secret", [SecretString(secret + "0")]),
            form("a shorter secret", [SecretString(String(secret.dropLast()))]),
            form("another secret", [SecretString("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]),
        ]
    }
}
