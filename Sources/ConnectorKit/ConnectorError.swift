// SPDX-License-Identifier: Apache-2.0

public import Model

/// A failure to read from a provider, with a sentence for each reader.
public struct ConnectorError: Error, Sendable {
    /// What the engine does about it.
    public let errorClass: ErrorClass
    /// A stable word for programs: `http_503`, `timeout`, `html_instead_of_json`, …
    public let code: String
    /// For the user: no status codes, no jargon.
    public let userMessage: String
    /// For the operator: status, request id, a redacted excerpt. Never a secret.
    public let operatorDetail: String
    /// How long the provider asked to wait, already clamped to 1 s … 1 h.
    public let retryAfter: Duration?
    /// The HTTP status, when there was a response.
    public let status: Int?
    /// Of class `auth_revoked`: the version of the credential that was refused, when that is known. A newer one that was
    /// stored meanwhile is not at fault.
    public let refusedVersion: Int64?

    /// Of class `contract_violation`: the response, as far as it is kept.
    public let evidence: ResponseEvidence?

    /// How often the request was sent until it failed so: again where the answer had no room at first.
    public var requests = 1

    /// The code of a request that was not sent because the integration repeats failed requests too often.
    public static let retryBudgetSpent = "retry_budget_spent"

    /// `code` is a word for programs; `retryAfter` is what the provider asked for.
    public init(
        _ errorClass: ErrorClass, code: String, userMessage: String, operatorDetail: String,
        retryAfter: Duration? = nil, status: Int? = nil, refusedVersion: Int64? = nil,
        evidence: ResponseEvidence? = nil
    ) {
        self.evidence = evidence
        self.errorClass = errorClass
        self.code = code
        self.userMessage = userMessage
        self.operatorDetail = operatorDetail
        self.retryAfter = retryAfter
        self.status = status
        self.refusedVersion = refusedVersion
    }
}

extension ConnectorError: CustomStringConvertible {
    /// Class, code and detail in one line, for logs.
    public var description: String { "\(errorClass.rawValue) (\(code)): \(operatorDetail)" }
}
