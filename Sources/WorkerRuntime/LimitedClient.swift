// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Logging
import Model
import RateLimits

/// Sends the requests of one run under the limits of the cluster.
///
/// A short wait happens here; a longer one is an error of class `rate_limited` that gives the slot back. Without an
/// answer of the limiter nothing is sent.
struct LimitedClient: ProviderClient {
    let limiter: RateLimiter
    let http: HTTPClient
    let scope: LimitScope
    let title: String
    let overrides: LimitOverrides
    let holds: LimitHolds
    let logger: Logger
    /// The run that it sends for.
    var runID: Int64?
    /// Hears of each request that was sent.
    var recorder: (any ExchangeRecorder)?
    /// What the run holds of the worker's memory for pages; without it each page has to be of ordinary size.
    var room: PageRoom?

    /// The longest answer that is no page: an object, or what became of a write. A record has at most half of that.
    private static let answerBytes = 2 << 20

    /// A limiter that cannot be asked is asked again after this.
    private static let outageWait: Duration = .seconds(5)
    /// How long the cluster is told again of a refusal, when the limiter does not answer.
    private static let settlementLimit: Duration = .seconds(10)

    func send(_ request: ProviderRequest) async throws(ConnectorError) -> ProviderResponse {
        guard request.isPage, let room else {
            let bytes = request.isPage ? PageMemory.Size.ordinary.bytes : Self.answerBytes
            return try await send(request, bytes: bytes).result.get()
        }
        var size = try await room.enter(request.endpoint)
        var requests = 1
        var throttled: Duration = .zero
        do throws(ConnectorError) {
            while true {
                let answer = try await send(request, bytes: size.bytes, mayBeLarger: size.next != nil)
                throttled += answer.throttled
                if case .success(var response) = answer.result {
                    room.note(response.http.body.count, request.endpoint)
                    response.requests = requests
                    response.throttled = throttled
                    return response
                }
                guard size.next != nil else { return try answer.result.get() }
                size = try await room.enter(request.endpoint, largerThan: size)
                requests += 1
            }
        } catch {
            var failure = error
            failure.requests = requests
            throw failure
        }
    }

    /// What came of a request, and how long limits made it wait.
    private typealias Answer = (result: Result<ProviderResponse, ConnectorError>, throttled: Duration)

    /// Sends a request that may be answered with so many bytes. A failure that is returned, not thrown, says that there were
    /// more; where the request may be sent again with more room, it is none.
    private func send(
        _ request: ProviderRequest, bytes: Int, mayBeLarger: Bool = false
    ) async throws(ConnectorError) -> Answer {
        var request = request
        request.http.maxBodyBytes = min(request.http.maxBodyBytes, bytes)
        request.http.maxWireBytes = min(request.http.maxWireBytes, bytes)
        let demand = LimitDemand(
            endpoint: request.endpoint, uses: overrides.applied(to: request.limits, of: scope.service),
            isRetry: request.isRetry)
        let (grant, throttled) = try await confirmed(request, demand)
        let outcome: Result<HTTPResponse, HTTPError>
        let sent = ContinuousClock.now
        do throws(HTTPError) {
            outcome = .success(try await http.send(request.http))
        } catch {
            outcome = .failure(error)
        }
        let duration = ContinuousClock.now - sent
        let failure = request.reading.failure(of: outcome)
        let isTooLarge = if case .failure(let error) = outcome { error.code == .bodyTooLarge } else { false }
        record(request, outcome, isTooLarge && mayBeLarger ? nil : failure, duration)
        await settle(grant, LimitOutcome(outcome, failure, request.reading))
        if let failure {
            if isTooLarge { return (.failure(failure), throttled) }
            throw failure
        }
        return (.success(try request.response(outcome, throttled: throttled)), throttled)
    }

    private func record(
        _ request: ProviderRequest, _ outcome: Result<HTTPResponse, HTTPError>, _ failure: ConnectorError?,
        _ duration: Duration
    ) {
        let requestID =
            if case .success(let response) = outcome { request.reading.requestID(of: response) } else {
                String?.none
            }
        // A request that this worker gave up says nothing of the provider.
        let isGivenUp = if case .failure(let error) = outcome { error.code == .cancelled } else { false }
        recorder?.record(
            ProviderExchange(
                outcome, of: scope.integrationID, run: runID, service: scope.service,
                method: request.http.method,
                endpoint: request.endpoint, duration: duration, requestID: requestID,
                error: isGivenUp ? .staleWorker : failure?.errorClass))
    }

    // MARK: - Asking

    /// How often a grant may be over before the request's own confirmation has come.
    private static let confirmations = 5

    /// A grant and how long was waited for it. It is over so long after `asked`.
    private struct Permission {
        let grant: LimitGrant
        let throttled: Duration
        let asked: ContinuousClock.Instant

        var isValid: Bool { ContinuousClock.now - asked <= Admission.validity }
    }

    /// A permission that is valid at this moment, for a request that may be sent at this moment.
    private func confirmed(
        _ request: ProviderRequest, _ demand: LimitDemand
    ) async throws(ConnectorError) -> (LimitGrant, Duration) {
        var throttled: Duration = .zero
        for _ in 0..<Self.confirmations {
            let permission = try await admission(of: demand)
            throttled += permission.throttled
            guard let confirm = request.confirm else { return (permission.grant, throttled) }
            do throws(ConnectorError) {
                try await confirm()
            } catch {
                await settle(permission.grant, LimitOutcome(health: .unknown))
                throw error
            }
            if permission.isValid { return (permission.grant, throttled) }
            await settle(permission.grant, LimitOutcome(health: .unknown))
        }
        throw refusal(Self.outageWait, .refusal)
    }

    private func admission(of demand: LimitDemand) async throws(ConnectorError) -> Permission {
        var ticket: String?
        let begun = ContinuousClock.now
        while true {
            let asked = ContinuousClock.now
            switch try await ask(demand, ticket) {
            case .granted(let grant):
                let permission = Permission(grant: grant, throttled: asked - begun, asked: asked)
                if permission.isValid { return permission }
                // Too late to be sent: what it took is lost, and its permits go back.
                await settle(grant, LimitOutcome(health: .unknown))
                try refuseIfOverdue(begun, wait: .zero, .refusal)
            case .wait(let wait, let place, let obstacle):
                if obstacle == .retryBudget { throw Self.spentBudget(title) }
                try refuseIfOverdue(begun, wait: wait, obstacle)
                ticket = place
                do {
                    try await ContinuousClock().sleep(for: wait)
                } catch {
                    throw Self.cancelled
                }
            case .later(let wait, let obstacle):
                if obstacle == .retryBudget { throw Self.spentBudget(title) }
                holds.note(wait, obstacle, scope)
                throw refusal(wait, obstacle)
            }
        }
    }

    private func ask(_ demand: LimitDemand, _ ticket: String?) async throws(ConnectorError) -> Admission {
        do throws(LimitError) {
            return try await limiter.admit(demand, in: scope, ticket: ticket)
        } catch {
            if error.code == .cancelled { throw Self.cancelled }
            throw ConnectorError(
                .rateLimited, code: "limits_unavailable", userMessage: "The sync continues in a moment.",
                operatorDetail:
                    "the limits of the cluster cannot be read, so nothing was sent: \(error.message)",
                retryAfter: Self.outageWait)
        }
    }

    /// Waits in place add up to what one of them may be.
    private func refuseIfOverdue(
        _ begun: ContinuousClock.Instant, wait: Duration, _ obstacle: LimitObstacle
    ) throws(ConnectorError) {
        guard ContinuousClock.now - begun + wait > Admission.longestWaitInPlace * 2 else { return }
        throw refusal(max(wait, Admission.longestWaitInPlace), obstacle)
    }

    private func refusal(_ wait: Duration, _ obstacle: LimitObstacle) -> ConnectorError {
        switch obstacle {
        case .outage:
            return ConnectorError(
                .providerOutage, code: "provider_outage",
                userMessage: "\(title) has problems at the moment. The sync continues when it is back.",
                operatorDetail: "the circuit breaker of \(scope.service) is open", retryAfter: wait)
        case .refusal, .limit, .retryBudget:
            let reason =
                if case .limit(let rule) = obstacle { "limit \(rule.name) (\(rule.quantity))" } else {
                    "the provider"
                }
            return ConnectorError(
                .rateLimited, code: "rate_limited",
                userMessage: "\(title) is limiting requests. The sync continues in a while.",
                operatorDetail: "\(reason) makes requests of \(scope.service) wait", retryAfter: wait)
        }
    }

    private static func spentBudget(_ title: String) -> ConnectorError {
        ConnectorError(
            .transient, code: ConnectorError.retryBudgetSpent,
            userMessage: "\(title) did not answer as expected. The sync is tried again.",
            operatorDetail: "the integration has repeated too many failed requests in the last minute")
    }

    private static let cancelled = ConnectorError(
        .transient, code: "cancelled", userMessage: "The sync was interrupted and is tried again.",
        operatorDetail: "cancelled while waiting for a limit")

    // MARK: - Telling

    /// Tells the cluster what a request taught. A refusal, or that a request took more than it was charged for, is told until
    /// somebody hears it: else another worker would ask the provider too early.
    private func settle(_ grant: LimitGrant, _ outcome: LimitOutcome) async {
        var outcome = outcome
        let deadline = ContinuousClock.now.advanced(by: Self.settlementLimit)
        while true {
            do throws(LimitError) {
                if let pause = try await limiter.settle(grant, outcome) {
                    holds.note(pause, .outage, scope)
                    logger.warning(
                        "the circuit breaker of a service is open",
                        metadata: ["service": "\(scope.service)", "for": "\(pause)"])
                }
                return
            } catch {
                let isTellable =
                    outcome.isUrgent(for: grant) && !Task.isCancelled && ContinuousClock.now < deadline
                guard isTellable else {
                    logger.warning(
                        "the limiter was not told of a request", metadata: ["error": "\(error)"])
                    return
                }
                // It may have been heard nevertheless.
                outcome = outcome.withoutRefunds(of: grant)
            }
            do { try await ContinuousClock().sleep(for: .milliseconds(200)) } catch { return }
        }
    }
}

extension LimitOutcome {
    /// What an outcome says about limits and about the provider's health.
    init(
        _ outcome: Result<HTTPResponse, HTTPError>, _ failure: ConnectorError?, _ reading: any ResponseReading
    ) {
        let signals =
            if case .success(let response) = outcome { reading.signals(of: response) } else { LimitSignals() }
        let isRefused = failure?.errorClass == .rateLimited
        self.init(
            health: Self.health(outcome, failure),
            refusal: isRefused
                ? Refusal(limit: signals.refusedLimit, wait: failure?.retryAfter) : nil,
            quotas: signals.quotas.map { quota in
                Quota(
                    limit: quota.limit, remaining: quota.remaining,
                    reset: {
                        switch quota.reset {
                        case .after(let wait): .after(wait)
                        case .at(let instant): .at(instant)
                        }
                    }())
            },
            charges: signals.charges.map {
                Charge(
                    limit: $0.limit, actual: $0.actual, available: $0.available,
                    restoredPerSecond: $0.restoredPerSecond)
            })
    }

    private static func health(
        _ outcome: Result<HTTPResponse, HTTPError>, _ failure: ConnectorError?
    ) -> Health {
        switch outcome {
        case .success(let response):
            // A body that no reader understands is not the network's fault, but mostly a gateway's page of an outage.
            return response.status >= 500 && failure?.errorClass != .rateLimited ? .failed : .answered
        case .failure(let error):
            switch error.code {
            // It does answer, with more than there is room for.
            case .bodyTooLarge, .headersTooLarge: return .answered
            case .cancelled, .closed, .overloaded, .unavailable, .invalidURL, .invalidRequest,
                .addressRefused:
                return .unknown
            default: return .failed
            }
        }
    }
}
