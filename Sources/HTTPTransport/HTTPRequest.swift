// SPDX-License-Identifier: Apache-2.0

/// One request. Redirects are not followed and cookies are not kept, so it is also one exchange with one
/// origin.
public struct HTTPRequest: Sendable {
    /// `GET`, `POST` and so on, in capitals.
    public var method: String
    /// Absolute, http or https, percent-encoded, without user and password.
    public var url: String
    /// The fields to send. Those that frame the message (`Host`, `Content-Length` and the like) are refused,
    /// because the client writes them.
    public var headers: [(name: String, value: String)]
    /// The bytes to send; nil for none.
    public var body: [UInt8]?
    /// The limit for the whole exchange, from the call to the last byte.
    public var timeout: Duration = .seconds(60)
    /// The part of `timeout` that resolving, connecting and the handshake may take.
    public var connectTimeout: Duration = .seconds(10)
    /// The longest body in bytes as it travels, compressed or not.
    public var maxWireBytes = 16 * 1024 * 1024
    /// The longest body in bytes after decompression.
    public var maxBodyBytes = 16 * 1024 * 1024
    /// Whether a body that is longer may be cut, as that of a refusal (status 400 and above) always is: for who needs the status
    /// alone.
    public var mayCutBody = false
    /// Whether sending the request a second time does no harm. Only then may it travel on a connection that
    /// was used before: when such a connection turns out dead, libcurl sends the request again on a new one.
    public var isRepeatable: Bool

    /// A request; what it may not contain is found when it is sent.
    public init(
        method: String = "GET", url: String, headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        isRepeatable = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"].contains(method)
    }

    /// A POST of form fields, as token endpoints and Stripe take them.
    public static func form(
        url: String, fields: [(name: String, value: String)], headers: [(name: String, value: String)] = []
    ) -> HTTPRequest {
        HTTPRequest(
            method: "POST", url: url,
            headers: headers + [(name: "Content-Type", value: "application/x-www-form-urlencoded")],
            body: FormEncoding.encoded(fields))
    }
}

extension HTTPRequest: CustomStringConvertible, CustomReflectable {
    /// The method only: URL, headers and body may hold secrets.
    public var description: String { "\(method) request" }
    /// Nothing, so that `dump` shows no credential.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}
