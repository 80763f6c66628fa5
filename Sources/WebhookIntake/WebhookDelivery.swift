// SPDX-License-Identifier: Apache-2.0

public import HTTPTransport

/// A request to an address of webhooks, whatever carried it.
public struct WebhookDelivery: Sendable {
    /// The service that the address names.
    public var service: String
    /// The integration that the address names; nil when it names the service alone.
    public var integration: String?
    /// Such as `POST`.
    public var method: String
    /// The whole address, as the provider knows it.
    public var url: String
    /// The header fields.
    public var headers: HTTPHeaders
    /// The bytes of the body, unread and unchanged.
    public var body: [UInt8]

    /// A request as it came.
    public init(
        service: String, integration: String? = nil, method: String = "POST", url: String,
        headers: HTTPHeaders,
        body: [UInt8]
    ) {
        self.service = service
        self.integration = integration
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}

/// The answer to a request that was accepted.
public struct WebhookAnswer: Sendable, Equatable {
    /// What became of the request, for whoever counts.
    public enum Outcome: String, Sendable {
        /// It is kept, and work follows.
        case accepted
        /// It was kept before.
        case duplicate
        /// It is noted, but no integration has its account; or it holds no event.
        case ignored
        /// It was a question whether this address is ours.
        case challenge
    }

    /// From 200 to 299.
    public var status: Int
    /// What the body is; nil without one.
    public var contentType: String?
    /// Empty, unless the provider asked for something.
    public var body: [UInt8]
    /// What became of the request.
    public var outcome: Outcome

    /// An answer without a body, unless one is given.
    public init(
        status: Int = 200, contentType: String? = nil, body: [UInt8] = [], outcome: Outcome
    ) {
        self.outcome = outcome
        self.status = status
        self.contentType = contentType
        self.body = body
    }
}

/// The answer to a request that was not accepted: nothing of it was kept.
public struct WebhookProblem: Error, Sendable, Equatable {
    /// The HTTP status, from 400 to 599.
    public let status: Int
    /// A word for programs.
    public let code: String
    /// One sentence for whoever sent it. It never tells what exactly is wrong with a signature, or whether an integration is
    /// there.
    public let message: String
    /// When to send it again, for a trouble that passes.
    public let retryAfter: Duration?
    /// For the operator's log alone.
    public let reason: String

    /// Why a request is not accepted.
    public init(
        _ status: Int, _ code: String, _ message: String, retryAfter: Duration? = nil, reason: String = ""
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
        self.reason = reason
    }

    static func unauthorized(_ reason: String) -> WebhookProblem {
        WebhookProblem(
            401, "unauthorized", "This is no request of a provider that is known at this address.",
            reason: reason)
    }

    static func unavailable(_ reason: String) -> WebhookProblem {
        WebhookProblem(
            503, "unavailable", "The event cannot be kept at the moment. Send it again.",
            retryAfter: .seconds(5), reason: reason)
    }

    static func malformed(_ message: String) -> WebhookProblem { WebhookProblem(400, "malformed", message) }
}
