// SPDX-License-Identifier: Apache-2.0

public import HTTPTransport
public import Model

/// A request that was sent to a provider, and what came of it: what a log of requests may know, and no secret.
public struct ProviderExchange: Sendable {
    /// Whose request it was; nil while an account is being connected.
    public let integrationID: Int64?
    /// The run that it was sent for; nil for none, as of a request for a token.
    public let runID: Int64?
    /// The service's name.
    public let service: String
    /// `GET`, `POST` and so on.
    public let method: String
    /// The endpoint without what differs from object to object.
    public let endpoint: String
    /// From the call to the last byte.
    public let duration: Duration
    /// The status of the response, also of one whose body was too large; nil when there was none.
    public let status: Int?
    /// The length of the decoded body.
    public let bytes: Int
    /// The provider's own name of the request.
    public let requestID: String?
    /// What the outcome means; nil for a success.
    public let error: ErrorClass?

    /// What is known when the outcome is there.
    public init(
        _ outcome: Result<HTTPResponse, HTTPError>, of integrationID: Int64?, run runID: Int64? = nil,
        service: String, method: String, endpoint: String, duration: Duration, requestID: String? = nil,
        error: ErrorClass?
    ) {
        self.integrationID = integrationID
        self.runID = runID
        self.service = service
        self.method = method
        self.endpoint = endpoint
        self.duration = duration
        self.requestID = requestID
        self.error = error
        switch outcome {
        case .success(let response): (status, bytes) = (response.status, response.body.count)
        case .failure(let error): (status, bytes) = (error.status, 0)
        }
    }
}

/// Hears of each request that was sent to a provider. It returns at once: nobody waits for a log.
public protocol ExchangeRecorder: Sendable {
    /// Notes one request.
    func record(_ exchange: ProviderExchange)
}
