// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Model

/// The header `Stripe-Signature: t=TIME,v1=CODE[,v1=CODE…]`: while a secret is rolled it has a code for each.
/// https://docs.stripe.com/webhooks/signature
struct StripeSignature {
    static let header = "Stripe-Signature"
    private static let tolerance = Duration.seconds(300)
    /// Stripe sends one for each live secret, two as a rule.
    private static let maxCodes = 8

    let time: String
    /// Those of the scheme `v1`; others, such as `v0` of test events, prove nothing.
    let codes: [[UInt8]]

    init(_ text: String) throws(WebhookRefusal) {
        var times: [String] = []
        var codes: [[UInt8]] = []
        for element in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let equals = element.firstIndex(of: "=") else {
                throw WebhookRefusal(.malformed, "\(Self.header) has an element without '='")
            }
            let value = element[element.index(after: equals)...]
            switch element[..<equals] {
            case "t": times.append(String(value))
            case "v1": codes.append(Array(value.utf8))
            default: continue
            }
        }
        guard times.count == 1, let time = times.first else {
            throw WebhookRefusal(.malformed, "\(Self.header) has no time, or several")
        }
        guard (1...Self.maxCodes).contains(codes.count) else {
            throw WebhookRefusal(.malformed, "\(Self.header) has no code of v1, or too many")
        }
        self.time = time
        self.codes = codes
    }

    static func verify(
        _ request: WebhookRequest, secrets: [SecretString], now: Timestamp
    ) throws(WebhookRefusal) {
        let signature = try StripeSignature(request.header(header))
        try SignedTime.check(signature.time, unit: .seconds, tolerance: tolerance, now: now)
        let message = Array("\(signature.time).".utf8) + request.body
        var isProved = false
        for secret in try SigningKeys.usable(secrets) {
            let code = try SigningKeys.code(.sha256, key: Array(secret.exposed.utf8), message: message)
            let expected = Array(Hex.encode(code).utf8)
            for given in signature.codes where ConstantTime.equal(given, expected) { isProved = true }
        }
        guard isProved else {
            throw WebhookRefusal(.wrongSignature, "no code in \(header) is of this content and secret")
        }
    }
}
