// SPDX-License-Identifier: Apache-2.0

public import HTTPTransport

/// A request that claims to be a provider's notification, as it came over the wire.
public struct WebhookRequest: Sendable {
    /// Such as `POST`.
    public let method: String
    /// The whole address, as the provider knows it.
    public let url: String
    /// The header fields.
    public let headers: HTTPHeaders
    /// The bytes of the body, unread and unchanged: a signature is over these.
    public let body: [UInt8]

    /// A request as it came.
    public init(method: String, url: String, headers: HTTPHeaders, body: [UInt8]) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }

    /// The value of a header that has to be there once: of two, nobody knows which one is signed.
    func header(_ name: String) throws(WebhookRefusal) -> String {
        let values = headers.all(name)
        guard let value = values.first, !value.isEmpty else {
            throw WebhookRefusal(.unsigned, "the header \(name) is missing")
        }
        guard values.count == 1 else {
            throw WebhookRefusal(.malformed, "the header \(name) is there \(values.count) times")
        }
        return value
    }
}

/// Why a request is not taken for a provider's.
public struct WebhookRefusal: Error, Sendable, Equatable {
    /// What is wrong, for programs.
    public enum Code: String, Sendable {
        /// A header without which nothing is proved is missing.
        case unsigned
        /// What should prove it cannot be read.
        case malformed
        /// What is signed is too old, or of the future.
        case stale
        /// No secret makes this signature of this content.
        case wrongSignature = "wrong_signature"
        /// There is no secret to check it with.
        case noSecret = "no_secret"
        /// The signer's key is not known; it may be known later.
        case unknownKey = "unknown_key"
    }

    /// What is wrong, for programs.
    public let code: Code
    /// One sentence for the operator's log, without the request's values. Not for whoever sent it.
    public let message: String

    /// A refusal with its reason.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension WebhookRefusal: CustomStringConvertible {
    /// The code and the message.
    public var description: String { "\(code.rawValue): \(message)" }
}
