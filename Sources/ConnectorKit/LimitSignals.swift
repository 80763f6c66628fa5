// SPDX-License-Identifier: Apache-2.0

public import Model

/// What a provider's response says about its limits. It may only tighten what the connector declares; a charge gives back
/// what the request was charged for and did not take.
public struct LimitSignals: Sendable, Equatable {
    /// What is left of a limit until it is filled up again.
    public struct Quota: Sendable, Equatable {
        /// The limit that this is about; nil for the narrowest one that the request took from.
        public let limit: String?
        /// Units that are left.
        public let remaining: Int
        /// When the quota is full again.
        public let reset: Reset

        /// A quota as the headers of one response say it.
        public init(limit: String? = nil, remaining: Int, reset: Reset) {
            self.limit = limit
            self.remaining = remaining
            self.reset = reset
        }
    }

    /// A time in the provider's own words.
    public enum Reset: Sendable, Equatable {
        /// So long after the response.
        case after(Duration)
        /// At this instant, by a clock that need not agree with ours.
        case at(Timestamp)
    }

    /// What a request really took from a limit, where the provider counts after the fact.
    public struct Charge: Sendable, Equatable {
        /// The limit.
        public let limit: String
        /// The units that the request took; nil when the response does not say, as one that was refused.
        public let actual: Int?
        /// The units that the provider says are there now.
        public let available: Int?
        /// How many units the provider says come back each second.
        public let restoredPerSecond: Double?

        /// A charge as one response says it.
        public init(limit: String, actual: Int?, available: Int? = nil, restoredPerSecond: Double? = nil) {
            self.limit = limit
            self.actual = actual
            self.available = available
            self.restoredPerSecond = restoredPerSecond
        }
    }

    /// What is left of which limits.
    public var quotas: [Quota]
    /// What the request took from limits whose costs only the response knows.
    public var charges: [Charge]
    /// The limit that a refusal is about, where the provider says so; nil for the narrowest.
    public var refusedLimit: String?

    /// Signals; none by default.
    public init(quotas: [Quota] = [], charges: [Charge] = [], refusedLimit: String? = nil) {
        self.quotas = quotas
        self.charges = charges
        self.refusedLimit = refusedLimit
    }
}
