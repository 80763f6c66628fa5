// SPDX-License-Identifier: Apache-2.0

public import Model

/// What a request needs before it may start.
public struct LimitDemand: Sendable {
    /// The endpoint, for limits that each endpoint has of its own.
    public let endpoint: String
    /// What it takes.
    public let uses: [LimitUse]
    /// Whether the integration's retry budget pays for it too.
    public let isRetry: Bool

    /// A demand of one request.
    public init(endpoint: String, uses: [LimitUse], isRetry: Bool = false) {
        self.endpoint = endpoint
        self.uses = uses
        self.isRetry = isRetry
    }
}

/// What stands in a request's way.
public enum LimitObstacle: Sendable, Equatable {
    /// The circuit breaker of the service is open.
    case outage
    /// The provider refused this integration, and named no limit.
    case refusal
    /// A limit of the connector.
    case limit(LimitRule)
    /// The integration has repeated too many failed requests.
    case retryBudget
}

/// The limiter's answer.
public enum Admission: Sendable {
    /// The request may start, if it does within `Admission.validity` of the question.
    case granted(LimitGrant)
    /// Ask again after this wait; the ticket keeps the place in the line.
    case wait(Duration, ticket: String, LimitObstacle)
    /// The wait is longer than waits in place are.
    case later(Duration, LimitObstacle)

    /// A grant that is older is void: a fleet that was stopped has to be silent after this time, and requests that start
    /// late would come too close to those after them.
    public static let validity: Duration = .milliseconds(50)
    /// How long a request may take from its start to the provider without coming too close to those after it. What is
    /// held up longer than that on its way is out of anybody's hands.
    static let travel: Duration = .milliseconds(100)
    /// A longer wait gives the job's slot back.
    public static let longestWaitInPlace: Duration = .seconds(2)
}

/// The permission for one request. `RateLimiter.settle` ends it.
public struct LimitGrant: Sendable {
    /// What the circuit breaker of the service wants to hear about the request.
    enum Breaker: Sendable {
        /// Only that it failed.
        case closed
        /// How it ended: there were failures a moment ago, or the breaker is open and this is its probe.
        case listening
    }

    let scope: LimitScope
    let demand: LimitDemand
    let permit: String
    let breaker: Breaker
}
