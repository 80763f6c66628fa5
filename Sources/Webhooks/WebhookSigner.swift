// SPDX-License-Identifier: Apache-2.0

public import Cryptography
public import HTTPTransport
public import Model

/// Signs what Lockstep sends, as Standard Webhooks says, so that a receiver can tell that it is ours and fresh.
/// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
public struct WebhookSigner: Sendable {
    /// What stands before a secret.
    public static let prefix = "whsec_"
    /// The lengths of a key that the specification allows.
    public static let keyLengths = 24...64

    private let key: [UInt8]

    /// A signer with a secret of the form `whsec_BASE64`; nil for any other text.
    public init?(_ secret: SecretString) {
        let text = secret.exposed
        guard text.hasPrefix(Self.prefix),
            let key = Base64.standard.decode(text.dropFirst(Self.prefix.utf8.count)),
            Self.keyLengths.contains(key.count)
        else { return nil }
        self.key = key
    }

    /// A secret that nobody has.
    public static func makeSecret() throws(CryptoError) -> SecretString {
        SecretString(prefix + Base64.standard.encode(try SecureRandom.bytes(32)))
    }

    /// A request that carries a message. The same message has the same id in each attempt, and a time and a signature of its own.
    public func request(
        to url: String, id: String, at time: Timestamp, body: [UInt8]
    ) throws(CryptoError) -> HTTPRequest {
        let stamp = "\(time.seconds)"
        let code = try HMAC.sha256(key: key, message: Array("\(id).\(stamp).".utf8) + body)
        var request = HTTPRequest(
            method: "POST", url: url,
            headers: [
                ("Content-Type", "application/json"), ("webhook-id", id), ("webhook-timestamp", stamp),
                ("webhook-signature", "v1,\(Base64.standard.encode(code))"),
            ], body: body)
        request.timeout = Self.timeout
        request.connectTimeout = .seconds(5)
        request.maxWireBytes = Self.answerLimit
        request.maxBodyBytes = Self.answerLimit
        request.mayCutBody = true
        // A receiver knows a message that comes twice by its id.
        request.isRepeatable = true
        return request
    }

    /// How long a receiver has to answer.
    public static let timeout: Duration = .seconds(15)
    /// The longest answer that is read; nothing in it matters.
    private static let answerLimit = 64 * 1_024
}

extension WebhookSigner: CustomStringConvertible, CustomReflectable {
    /// A placeholder, never the key.
    public var description: String { "<signer>" }
    /// Nothing, so that `dump` shows no key.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
