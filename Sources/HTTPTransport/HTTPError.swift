// SPDX-License-Identifier: Apache-2.0

/// A request that got no complete response. Its text names the origin at most: never a path, a query, a
/// header's value or a body.
public struct HTTPError: Error, Sendable, Equatable {
    /// What happened, for programs.
    public struct Code: Sendable, Hashable {
        private let name: String

        private init(_ name: String) { self.name = name }

        /// The URL is not an absolute http or https URL without user and password.
        public static let invalidURL = Code("invalid_url")
        /// The method, a header or a limit of the request cannot be sent.
        public static let invalidRequest = Code("invalid_request")
        /// The host's name could not be resolved.
        public static let dns = Code("dns")
        /// No connection could be made.
        public static let connect = Code("connect")
        /// Every address of the host is one that the address policy forbids.
        public static let addressRefused = Code("address_refused")
        /// The handshake failed or the certificate is not trusted.
        public static let tls = Code("tls")
        /// A deadline passed, or the peer sent too little for too long.
        public static let timeout = Code("timeout")
        /// The peer ended the connection or the stream before the response was complete.
        public static let reset = Code("reset")
        /// The body ended before the length or the last chunk that was announced.
        public static let truncated = Code("truncated")
        /// The body is longer than the request allows, on the wire or decoded.
        public static let bodyTooLarge = Code("body_too_large")
        /// There are more headers than `HTTPHeaders` holds.
        public static let headersTooLarge = Code("headers_too_large")
        /// What came is not HTTP, or its content encoding is broken.
        public static let protocolViolation = Code("protocol_violation")
        /// The calling task was cancelled.
        public static let cancelled = Code("cancelled")
        /// Too many requests are under way in this client.
        public static let overloaded = Code("overloaded")
        /// The client is closed.
        public static let closed = Code("closed")
        /// libcurl could not start or has no memory.
        public static let unavailable = Code("unavailable")
    }

    /// What went wrong, for programs.
    public let code: Code
    /// One sentence for the operator.
    public let message: String
    /// Whether bytes of the request left this process. False means that the peer cannot have acted on it.
    public let requestWasSent: Bool
    /// The status of a response whose body was not taken, 100 to 599; nil when there was none.
    public let status: Int?

    /// `requestWasSent` says whether the server may have acted on the request.
    public init(_ code: Code, _ message: String, requestWasSent: Bool = false, status: Int? = nil) {
        self.code = code
        self.message = message
        self.requestWasSent = requestWasSent
        self.status = status
    }
}

extension HTTPError.Code: CustomStringConvertible {
    /// A stable word, for metrics and logs.
    public var description: String { name }
}

extension HTTPError: CustomStringConvertible {
    /// The message, as operators read it.
    public var description: String { message }
}
