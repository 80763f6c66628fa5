// SPDX-License-Identifier: Apache-2.0

public import HTTPTransport

/// A request as a route's handler sees it: read completely, within the limits of `ServerLimits`.
public struct GatewayRequest: Sendable {
    /// In upper case; `HEAD` reaches the handler as `GET`.
    public let method: String
    /// As it was sent, without the query.
    public let path: String
    /// What stands at the `{names}` of the route's path, decoded.
    public let parameters: [String: String]
    /// The query, decoded.
    public let query: FormFields
    /// The query as it was sent, without the question mark; nil without one. Some providers sign it.
    public let rawQuery: String?
    /// All header fields. `Authorization` and `Cookie` are secrets.
    public let headers: HTTPHeaders
    /// The bytes of the body as they were sent: what a signature was made of.
    public let body: [UInt8]
    /// Names this request in the log and in the header `X-Request-Id` of the answer.
    public let id: String

    /// A request, for a test or a listener.
    public init(
        method: String, path: String, parameters: [String: String] = [:], query: FormFields = FormFields(),
        rawQuery: String? = nil,
        headers: HTTPHeaders = HTTPHeaders(), body: [UInt8] = [], id: String
    ) {
        self.method = method
        self.path = path
        self.parameters = parameters
        self.query = query
        self.rawQuery = rawQuery
        self.headers = headers
        self.body = body
        self.id = id
    }
}

extension GatewayRequest: CustomStringConvertible, CustomReflectable {
    /// Method and path: query, headers and body may be secret.
    public var description: String { "\(method) \(path)" }
    /// Nothing, so that `dump` shows no secret.
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// What a route answers.
public struct GatewayResponse: Sendable {
    /// The content of an answer.
    public enum Body: Sendable {
        case bytes([UInt8])
        /// Sent piece by piece until the closure returns or the process stops.
        case stream(@Sendable (any ResponseSink) async throws -> Void)
    }

    /// From 200 to 599.
    public var status: Int
    /// The handler's own fields; the listener adds the length and what every answer has.
    public var headers: [(name: String, value: String)]
    /// What follows the headers.
    public var body: Body

    /// An answer of bytes.
    public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = .bytes(body)
    }

    /// An answer that is sent piece by piece.
    public init(
        status: Int, headers: [(name: String, value: String)],
        stream: @escaping @Sendable (any ResponseSink) async throws -> Void
    ) {
        self.status = status
        self.headers = headers
        body = .stream(stream)
    }
}

/// Where a streamed answer goes.
public protocol ResponseSink: Sendable {
    /// Sends one piece; waits while the peer reads slowly. Throws when the peer is gone.
    func send(_ bytes: [UInt8]) async throws
}
