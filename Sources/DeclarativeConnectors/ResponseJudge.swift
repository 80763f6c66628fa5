// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner

/// What a response that is not a page means: the manifest's rules first, then what HTTP says.
struct ResponseJudge: ResponseReading {
    let manifest: Manifest
    let stream: String
    /// What excerpts of responses must not show.
    var secrets: [String: SecretString]
    /// Knows secrets that were asked for after this judge was made.
    private let source: (any SecretSource)?
    /// The rules that a response with a status of success has to be asked for.
    private let successRules: [ErrorRule]
    /// Statuses that are an answer although they are no success.
    private var answers: Set<Int> = []
    /// Statuses that refuse a stored cursor.
    private var refusals: Set<Int> = []
    /// Responses that are an answer: the parent of the slice is gone.
    private var endings: [ResponseCondition] = []

    init(
        manifest: Manifest, stream: String, secrets: [String: SecretString], source: (any SecretSource)? = nil
    ) {
        self.manifest = manifest
        self.stream = stream
        self.secrets = secrets
        self.source = source
        successRules = manifest.errors.filter(\.condition.concernsSuccess)
    }

    /// The same judge for requests to which these statuses are an answer.
    func accepting(_ statuses: Set<Int>) -> ResponseJudge {
        var judge = self
        judge.answers = statuses
        return judge
    }

    /// The same judge for requests with a cursor that the provider may refuse with these statuses.
    func refusing(_ statuses: Set<Int>) -> ResponseJudge {
        var judge = self
        judge.refusals = statuses
        return judge
    }

    /// The same judge for requests to which these responses are an answer.
    func endedBy(_ conditions: [ResponseCondition]) -> ResponseJudge {
        var judge = self
        judge.endings = conditions
        return judge
    }

    func failure(of outcome: Result<HTTPResponse, HTTPError>) -> ConnectorError? {
        switch outcome {
        case .success(let response) where endings.contains { $0.holds(for: response) }: nil
        case .success(let response) where answers.contains(response.status): nil
        case .success(let response) where refusals.contains(response.status):
            make(
                .resyncRequired, code: "http_\(response.status)", response,
                "status \(response.status) refuses the cursor")
        case .success(let response) where (200..<300).contains(response.status): hiddenFailure(response)
        case .success(let response): judged(response, fallback: fallback(response))
        case .failure(let error): failure(of: error)
        }
    }

    func signals(of response: HTTPResponse) -> LimitSignals {
        manifest.feedback.signals(of: response)
    }

    func requestID(of response: HTTPResponse) -> String? {
        manifest.requestIDHeader.flatMap(response.headers.first)
    }

    /// The failure of a success whose body is not the page that the manifest describes.
    func failure(of response: HTTPResponse, scan error: PageScanError) -> ConnectorError {
        switch error.code {
        case .html, .notJSON, .truncated, .outOfMemory:
            make(.transient, code: error.code.rawValue, response, error.message)
        default:
            make(.contractViolation, code: error.code.rawValue, response, error.message)
        }
    }

    /// The failure of a request that got no response.
    private func failure(of error: HTTPError) -> ConnectorError {
        let errorClass = Self.errorClass(of: error)
        return ConnectorError(
            errorClass, code: error.code.description, userMessage: userMessage(errorClass),
            operatorDetail: "stream \(stream): \(error.message)")
    }

    /// What a request means that got no response.
    static func errorClass(of error: HTTPError) -> ErrorClass {
        switch error.code {
        case .invalidURL, .invalidRequest, .addressRefused: .config
        case .bodyTooLarge, .headersTooLarge: .contractViolation
        default: .transient
        }
    }

    /// The failure that a response with a status of success has in its body.
    private func hiddenFailure(_ response: HTTPResponse) -> ConnectorError? {
        guard let rule = successRules.first(where: { $0.condition.holds(for: response) }) else { return nil }
        return make(
            rule.errorClass, code: "error_in_body", response, "status \(response.status)", rule: rule)
    }

    private func judged(_ response: HTTPResponse, fallback: ErrorClass) -> ConnectorError {
        let rule = manifest.errors.first { $0.condition.holds(for: response) }
        return make(
            rule?.errorClass ?? fallback, code: "http_\(response.status)", response,
            "status \(response.status)", rule: rule)
    }

    private func fallback(_ response: HTTPResponse) -> ErrorClass { Self.fallback(response) }

    /// What HTTP says about a status that no rule names.
    static func fallback(_ response: HTTPResponse) -> ErrorClass {
        switch response.status {
        case 429: .rateLimited
        case 503 where response.headers.first("Retry-After") != nil: .rateLimited
        case 401: .auth
        case 403: .permission
        case 408, 425, 500...599: .transient
        default: .rejected
        }
    }

    private func make(
        _ errorClass: ErrorClass, code: String, _ response: HTTPResponse, _ reason: String,
        rule: ErrorRule? = nil
    ) -> ConnectorError {
        var detail = "stream \(stream): \(reason)"
        if let id = requestID(of: response) {
            detail += ", request id \(id.prefix(100))"
        }
        if !response.body.isEmpty { detail += ", body: \(Self.excerpt(response.body, without: hidden))" }
        return ConnectorError(
            errorClass, code: code, userMessage: userMessage(errorClass), operatorDetail: detail,
            retryAfter: RetryAfter.wait(in: response.headers) ?? rule?.wait,
            status: response.status,
            evidence: errorClass == .contractViolation ? evidence(of: response) : nil)
    }

    /// What is kept of a response that is not what the manifest describes.
    func evidence(of response: HTTPResponse) -> ResponseEvidence {
        ResponseEvidence(status: response.status, body: response.body, secrets: hidden)
    }

    private var hidden: [SecretString] {
        Array(secrets.values) + (source.map { Array($0.known.values.values) } ?? [])
    }

    /// The beginning of a body, on one line, without the integration's secrets.
    static func excerpt(_ body: [UInt8], without secrets: [SecretString]) -> String {
        let text = String(
            decoding: Redaction.beginning(of: body, bytes: 4_096, without: secrets), as: UTF8.self)
        let line = text.prefix(300).map { $0.isNewline || $0 == "\0" ? " " : $0 }
        return String(line)
    }

    private func userMessage(_ errorClass: ErrorClass) -> String {
        let title = manifest.title
        return switch errorClass {
        case .rateLimited: "\(title) is limiting requests. The sync continues in a while."
        case .transient, .providerOutage: "\(title) did not answer as expected. The sync is tried again."
        case .auth, .authRevoked: "\(title) has to be connected again."
        case .permission: "The connected \(title) account may not read this data."
        case .resyncRequired: "\(title) asks to read everything again. The sync does so now."
        case .rejected: "\(title) refused the request. The sync was stopped; nothing was deleted."
        case .contractViolation:
            "\(title) sent data in an unexpected form. The sync was stopped; nothing was deleted."
        case .staleWorker: "The sync continues in a newer run."
        case .config: "\(title) is not fully set up."
        }
    }
}
