// SPDX-License-Identifier: Apache-2.0

public import HTTPTransport
public import Model

/// Sends a connector's requests to its provider. What every request needs, whatever the connector, is here: limits, a
/// circuit breaker, waits. A connector never talks to the network otherwise.
public protocol ProviderClient: Sendable {
    /// Sends a request and returns its response when the request's reading counts it as a success.
    ///
    /// Throws what the reading makes of any other outcome; class `rate_limited` also when a limit makes the request wait
    /// for longer than a worker's slot should, and then nothing was sent.
    func send(_ request: ProviderRequest) async throws(ConnectorError) -> ProviderResponse
}

/// A request to a provider, with what limits and logs have to know of it.
public struct ProviderRequest: Sendable {
    /// What goes over the wire.
    public var http: HTTPRequest
    /// The endpoint without what differs from object to object, for limits by endpoint and for logs: `/v1/customers`.
    public let endpoint: String
    /// What the request takes from which limits.
    public let limits: [LimitUse]
    /// What its outcome means.
    public let reading: any ResponseReading
    /// Whether the same request failed just before: the integration's retry budget pays for it.
    public let isRetry: Bool
    /// Whether the answer is a page of records. It may be larger than the answers to other requests, and the request may be
    /// sent a second time when there was no room for it.
    public var isPage = false
    /// Asked when the limits have granted the request, right before it is sent: when it throws, nothing is sent. It may be
    /// asked again, when its answer took so long that the grant was over. Nil for a request that may always be sent.
    public var confirm: (@Sendable () async throws(ConnectorError) -> Void)?

    /// A request that takes from `limits` before it is sent.
    public init(
        _ http: HTTPRequest, endpoint: String, limits: [LimitUse], reading: any ResponseReading,
        isRetry: Bool = false
    ) {
        self.http = http
        self.endpoint = endpoint
        self.limits = limits
        self.reading = reading
        self.isRetry = isRetry
    }
}

/// A response that counts as a success.
public struct ProviderResponse: Sendable {
    /// What came over the wire.
    public let http: HTTPResponse
    /// How long limits made the request wait.
    public var throttled: Duration
    /// How often it was sent until there was room for the answer.
    public var requests = 1

    /// A response, and what was waited for it.
    public init(_ http: HTTPResponse, throttled: Duration = .zero) {
        self.http = http
        self.throttled = throttled
    }
}

/// Tells what a provider means by its responses.
public protocol ResponseReading: Sendable {
    /// The failure that an outcome stands for; nil for a success.
    func failure(of outcome: Result<HTTPResponse, HTTPError>) -> ConnectorError?

    /// What a response, successful or not, says about limits.
    func signals(of response: HTTPResponse) -> LimitSignals

    /// The provider's own name of the request, by which its support finds it; nil when there is none.
    func requestID(of response: HTTPResponse) -> String?
}

extension ResponseReading {
    /// None.
    public func requestID(of response: HTTPResponse) -> String? { nil }
}

/// A client without limits, for tools that look at a provider outside of a cluster.
public struct DirectClient: ProviderClient {
    private let http: HTTPClient

    /// A client that sends whatever it is given at once.
    public init(http: HTTPClient) {
        self.http = http
    }

    /// Sends the request; never waits.
    public func send(_ request: ProviderRequest) async throws(ConnectorError) -> ProviderResponse {
        try await request.confirm?()
        let outcome: Result<HTTPResponse, HTTPError>
        do throws(HTTPError) {
            outcome = .success(try await http.send(request.http))
        } catch {
            outcome = .failure(error)
        }
        if let failure = request.reading.failure(of: outcome) { throw failure }
        return try request.response(outcome)
    }
}

extension ProviderRequest {
    /// The response of an outcome that the reading took for a success; a request without a response never is one.
    public func response(
        _ outcome: Result<HTTPResponse, HTTPError>, throttled: Duration = .zero
    ) throws(ConnectorError) -> ProviderResponse {
        switch outcome {
        case .success(let response): return ProviderResponse(response, throttled: throttled)
        case .failure(let error):
            throw ConnectorError(
                .transient, code: error.code.description, userMessage: "The sync is tried again.",
                operatorDetail: error.message)
        }
    }
}
