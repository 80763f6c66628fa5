// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Model

/// Standard Webhooks: `webhook-signature` is a list of `VERSION,SIGNATURE` over id, time and body.
/// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
enum StandardSignature {
    private static let tolerance = Duration.seconds(300)
    private static let maxSignatures = 8

    /// A secret as the specification writes it.
    private enum Key {
        case shared([UInt8])
        case verifying(Ed25519PublicKey)

        /// `whsec_` or nothing before a shared key, `whpk_` before a public one, both in Base64.
        init?(_ secret: SecretString) {
            let text = secret.exposed
            if text.hasPrefix("whpk_") {
                guard let raw = Base64.standard.decode(text.dropFirst(5)) else { return nil }
                do throws(CryptoError) {
                    self = .verifying(try Ed25519PublicKey(raw: raw))
                } catch {
                    return nil
                }
                return
            }
            let encoded = text.hasPrefix("whsec_") ? text.dropFirst(6) : text[...]
            guard let key = Base64.standard.decode(encoded), !key.isEmpty else { return nil }
            self = .shared(key)
        }
    }

    static func verify(
        _ request: WebhookRequest, secrets: [SecretString], now: Timestamp
    ) throws(WebhookRefusal) {
        let id = try request.header("webhook-id")
        let stamp = try request.header("webhook-timestamp")
        let list = try request.header("webhook-signature").split(separator: " ")
        // A point in it would let the parts of what is signed be cut in another place.
        guard !id.utf8.contains(UInt8(ascii: ".")) else {
            throw WebhookRefusal(.malformed, "webhook-id has a point in it")
        }
        guard (1...maxSignatures).contains(list.count) else {
            throw WebhookRefusal(.malformed, "webhook-signature has no signature, or too many")
        }
        try SignedTime.check(stamp, unit: .seconds, tolerance: tolerance, now: now)
        let keys = try SigningKeys.usable(secrets).compactMap(Key.init)
        guard !keys.isEmpty else {
            throw WebhookRefusal(.noSecret, "no secret is written as whsec_ or whpk_ with Base64")
        }
        let message = Array("\(id).\(stamp).".utf8) + request.body
        var isProved = false
        for key in keys {
            switch key {
            case .shared(let bytes):
                let code = try SigningKeys.code(.sha256, key: bytes, message: message)
                let expected = Array("v1,\(Base64.standard.encode(code))".utf8)
                for given in list where ConstantTime.equal(Array(given.utf8), expected) { isProved = true }
            case .verifying(let key):
                for given in list where given.hasPrefix("v1a,") {
                    guard let signature = Base64.standard.decode(given.dropFirst(4)) else { continue }
                    if key.isSignature(signature, of: message) { isProved = true }
                }
            }
        }
        guard isProved else {
            throw WebhookRefusal(.wrongSignature, "no signature is of this content and secret")
        }
    }
}
