// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner

/// What the answer to an action means, and whether the action may have taken effect.
///
/// It judges one request. What it made of the outcome is read from `effect` afterwards.
struct ActionJudge: ResponseReading {
    let manifest: Manifest
    let action: ActionManifest
    /// The header by which the provider says that it gives an earlier answer again.
    let replayHeader: String?
    /// What excerpts of responses must not show.
    let secrets: [String: SecretString]
    /// Nothing, as long as no outcome was judged: then nothing was sent.
    private let judged = LockedBox(ActionFailure.Effect.none)

    init(
        _ manifest: Manifest, _ action: ActionManifest, _ shape: ActionShape,
        _ secrets: [String: SecretString]
    ) {
        self.manifest = manifest
        self.action = action
        self.secrets = secrets
        if case .key(_, _, let replayed) = shape.repetition {
            replayHeader = replayed
        } else {
            replayHeader = nil
        }
    }

    /// What the provider may have done, of a request that failed.
    var effect: ActionFailure.Effect { judged.withLock { $0 } }

    func signals(of response: HTTPResponse) -> LimitSignals { manifest.feedback.signals(of: response) }

    func requestID(of response: HTTPResponse) -> String? {
        manifest.requestIDHeader.flatMap { response.headers.first($0) }
    }

    func failure(of outcome: Result<HTTPResponse, HTTPError>) -> ConnectorError? {
        let (failure, effect): (ConnectorError?, ActionFailure.Effect) =
            switch outcome {
            case .success(let response): judge(response)
            case .failure(let error): (self.failure(of: error), error.requestWasSent ? .unknown : .none)
            }
        judged.withLock { $0 = failure == nil ? .unknown : effect }
        return failure
    }

    /// The failure of a success whose body cannot be read.
    func failure(of response: HTTPResponse, _ error: PageScanError) -> ConnectorError {
        make(.transient, code: error.code.rawValue, response, error.message)
    }

    private func judge(_ response: HTTPResponse) -> (ConnectorError?, ActionFailure.Effect) {
        let isSuccess = (200..<300).contains(response.status)
        let own = action.errors.first {
            (!isSuccess || $0.rule.condition.concernsSuccess) && $0.rule.condition.holds(for: response)
        }
        let general = manifest.errors.first {
            (!isSuccess || $0.condition.concernsSuccess) && $0.condition.holds(for: response)
        }
        let rule = own?.rule ?? general
        if isSuccess, rule == nil { return (nil, .none) }
        // Who answers 503 with a time may have begun all the same.
        let isVague = response.status >= 500 || response.status == 408
        let errorClass = rule?.errorClass ?? (isVague ? .transient : ResponseJudge.fallback(response))
        let failure = make(
            errorClass, code: own?.code ?? "http_\(response.status)", response, "status \(response.status)",
            saying: sentence(own, response), rule: rule)
        return (failure, effect(of: errorClass, response))
    }

    private func effect(of errorClass: ErrorClass, _ response: HTTPResponse) -> ActionFailure.Effect {
        switch errorClass {
        case .transient, .providerOutage, .contractViolation, .staleWorker:
            let isReplayed = replayHeader.flatMap { response.headers.first($0) } == "true"
            return isReplayed ? .settledUnknown : .unknown
        case .rateLimited, .rejected, .permission, .auth, .authRevoked, .resyncRequired, .config:
            return .none
        }
    }

    private func failure(of error: HTTPError) -> ConnectorError {
        let errorClass = ResponseJudge.errorClass(of: error)
        return ConnectorError(
            errorClass, code: error.code.description, userMessage: userMessage(errorClass),
            operatorDetail: "action \(action.descriptor.name): \(error.message)")
    }

    /// The provider's own words are for the user only where the manifest says so.
    private func sentence(_ rule: ActionErrorRule?, _ response: HTTPResponse) -> String? {
        if let pointer = rule?.messagePointer,
            let text = JSONValueReader.scalarText(at: pointer, in: response.body), !text.isEmpty
        {
            return String(text.unicodeScalars.prefix(300).map { $0.value < 0x20 ? " " : Character($0) })
        }
        return rule?.message
    }

    private func make(
        _ errorClass: ErrorClass, code: String, _ response: HTTPResponse, _ reason: String,
        saying sentence: String? = nil, rule: ErrorRule? = nil
    ) -> ConnectorError {
        var detail = "action \(action.descriptor.name): \(reason)"
        if let id = requestID(of: response) {
            detail += ", request id \(id.prefix(100))"
        }
        if !response.body.isEmpty {
            detail += ", body: \(ResponseJudge.excerpt(response.body, without: Array(secrets.values)))"
        }
        return ConnectorError(
            errorClass, code: code, userMessage: sentence ?? userMessage(errorClass), operatorDetail: detail,
            retryAfter: RetryAfter.wait(in: response.headers) ?? rule?.wait,
            status: response.status)
    }

    private func userMessage(_ errorClass: ErrorClass) -> String {
        let title = manifest.title
        return switch errorClass {
        case .rateLimited: "\(title) is limiting requests. This is done in a while."
        case .transient, .providerOutage, .staleWorker, .contractViolation:
            "\(title) did not answer as expected."
        case .auth, .authRevoked: "\(title) has to be connected again."
        case .permission: "The connected \(title) account may not do this."
        case .rejected, .resyncRequired: "\(title) refused this. Nothing was changed."
        case .config: "\(title) is not fully set up."
        }
    }
}
