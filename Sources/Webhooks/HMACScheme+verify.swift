// SPDX-License-Identifier: Apache-2.0

import Cryptography
public import Model

extension HMACScheme {
    /// Slack's `v0`.
    public static let slack = HMACScheme(
        header: "X-Slack-Signature", prefix: "v0=", signed: [.text("v0:"), .timestamp, .text(":"), .body],
        time: Time(header: "X-Slack-Request-Timestamp"))
    /// GitHub signs no time: the id of the delivery is the only guard against a replay.
    public static let github = HMACScheme(header: "X-Hub-Signature-256", prefix: "sha256=")
    /// Shopify signs no time either.
    public static let shopify = HMACScheme(header: "X-Shopify-Hmac-Sha256", encoding: .base64)
    /// HubSpot's version 3.
    public static let hubspot = HMACScheme(
        header: "X-HubSpot-Signature-v3", encoding: .base64,
        signed: [.method, .readableURL, .body, .timestamp],
        time: Time(header: "X-HubSpot-Request-Timestamp", unit: .milliseconds))

    /// Throws unless one of the secrets makes the request's code, and its time is near `now`.
    public func verify(
        _ request: WebhookRequest, secrets: [SecretString], now: Timestamp
    ) throws(WebhookRefusal) {
        let given = Array(try request.header(header).utf8)
        var stamp = ""
        if let time {
            stamp = try request.header(time.header)
            try SignedTime.check(stamp, unit: time.unit, tolerance: time.tolerance, now: now)
        }
        var message: [UInt8] = []
        message.reserveCapacity(request.body.count + 128)
        for part in signed {
            switch part {
            case .text(let text): message += text.utf8
            case .body: message += request.body
            case .timestamp: message += stamp.utf8
            case .method: message += request.method.utf8
            case .url: message += request.url.utf8
            case .readableURL: message += Self.readable(request.url).utf8
            case .header(let name): message += try request.header(name).utf8
            }
        }
        var isProved = false
        for key in try SigningKeys.usable(secrets) {
            let expected = Array(try text(ofCode: Array(key.exposed.utf8), message).utf8)
            // Every secret is tried, so that the time does not tell which one fits.
            if ConstantTime.equal(given, expected) { isProved = true }
        }
        guard isProved else {
            throw WebhookRefusal(.wrongSignature, "the code in \(header) is of another content or secret")
        }
    }

    /// https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
    private static func readable(_ url: String) -> String {
        let escapes = [
            "3A": ":", "2F": "/", "3F": "?", "40": "@", "21": "!", "24": "$", "27": "'", "28": "(", "29": ")",
            "2A": "*", "2C": ",", "3B": ";",
        ]
        let parts = url.split(separator: "%", omittingEmptySubsequences: false)
        return parts.dropFirst().reduce(String(parts[0])) { text, part in
            guard let plain = escapes[part.prefix(2).uppercased()] else { return text + "%" + part }
            return text + plain + part.dropFirst(2)
        }
    }

    /// The header's value for a message: the form that the provider writes, and no other, is compared.
    private func text(ofCode key: [UInt8], _ message: [UInt8]) throws(WebhookRefusal) -> String {
        let code = try SigningKeys.code(algorithm, key: key, message: message)
        switch encoding {
        case .hex: return prefix + Hex.encode(code)
        case .base64: return prefix + Base64.standard.encode(code)
        case .base64url: return prefix + Base64.urlSafe.encode(code)
        }
    }
}

/// Times that are part of what is signed.
enum SignedTime {
    /// Throws unless the text is a time that is not further from `now` than the tolerance, either way.
    static func check(
        _ text: String, unit: HMACScheme.TimeUnit, tolerance: Duration, now: Timestamp
    ) throws(WebhookRefusal) {
        let isDigits =
            (1...15).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
        guard isDigits, let number = Int64(text) else {
            throw WebhookRefusal(.malformed, "the signed time is no whole number")
        }
        let distance: Int64 =
            switch unit {
            case .seconds: (number - now.seconds).magnitude.clamped
            case .milliseconds: (number - now.milliseconds).magnitude.clamped
            }
        let limit = unit == .seconds ? tolerance.wholeMilliseconds / 1_000 : tolerance.wholeMilliseconds
        guard distance <= limit else {
            throw WebhookRefusal(.stale, "the signed time is more than \(limit) \(unit.rawValue) from now")
        }
    }
}

extension UInt64 {
    fileprivate var clamped: Int64 { Int64(clamping: self) }
}

/// Shared keys.
enum SigningKeys {
    /// More secrets than a roll needs: a header with many signatures times many secrets is work for nothing.
    static let limit = 8

    /// The secrets that are not empty. Throws when there is none: nothing is accepted unchecked.
    static func usable(_ secrets: [SecretString]) throws(WebhookRefusal) -> [SecretString] {
        let usable = secrets.filter { $0.byteCount > 0 }.prefix(limit)
        guard !usable.isEmpty else { throw WebhookRefusal(.noSecret, "there is no secret to check it with") }
        return Array(usable)
    }

    static func code(
        _ algorithm: HMACScheme.Algorithm, key: [UInt8], message: [UInt8]
    ) throws(WebhookRefusal) -> [UInt8] {
        do throws(CryptoError) {
            switch algorithm {
            case .sha256: return try HMAC.sha256(key: key, message: message)
            case .sha512: return try HMAC.sha512(key: key, message: message)
            case .sha1: return try HMAC.sha1(key: key, message: message)
            }
        } catch {
            throw WebhookRefusal(.noSecret, error.message)
        }
    }
}
