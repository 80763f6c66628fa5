// SPDX-License-Identifier: Apache-2.0

public import Model

/// What a request taught about limits.
public struct LimitOutcome: Sendable, Equatable {
    /// What the request says about the provider's health.
    public enum Health: Sendable, Equatable {
        /// It answered, whatever it answered.
        case answered
        /// It could not: a server error, no connection, no end of the answer.
        case failed
        /// Nothing can be said: the request was given up.
        case unknown
    }

    /// What a refusal of the provider is about, and for how long.
    public struct Refusal: Sendable, Equatable {
        /// The limit, where the provider says so; nil for the narrowest one.
        public let limit: String?
        /// How long the provider asks to wait; nil when it does not say.
        public let wait: Duration?

        /// A refusal as the provider put it.
        public init(limit: String?, wait: Duration?) {
            self.limit = limit
            self.wait = wait
        }
    }

    /// Units that are left of a limit.
    public struct Quota: Sendable, Equatable {
        /// The limit; nil for all requests of the integration.
        public let limit: String?
        /// How many units are left.
        public let remaining: Int
        /// How long after now they are filled up, or when by the provider's clock.
        public let reset: Reset

        /// What is left, and until when.
        public init(limit: String?, remaining: Int, reset: Reset) {
            self.limit = limit
            self.remaining = remaining
            self.reset = reset
        }
    }

    /// When a quota is full again.
    public enum Reset: Sendable, Equatable {
        case after(Duration)
        case at(Timestamp)
    }

    /// What a request really took from a limit.
    public struct Charge: Sendable, Equatable {
        /// The limit.
        public let limit: String
        /// The units that the request took; nil when nobody knows.
        public let actual: Int?
        /// The units that the provider says are there.
        public let available: Int?
        /// How many units it says come back each second.
        public let restoredPerSecond: Double?

        /// What a response says that its request took.
        public init(limit: String, actual: Int?, available: Int? = nil, restoredPerSecond: Double? = nil) {
            self.limit = limit
            self.actual = actual
            self.available = available
            self.restoredPerSecond = restoredPerSecond
        }
    }

    /// What the circuit breaker hears.
    public var health: Health
    /// Set when the provider refused the request because of a limit.
    public var refusal: Refusal?
    /// What the response said is left.
    public var quotas: [Quota]
    /// What the response said the request took.
    public var charges: [Charge]

    /// An outcome; by default a plain success.
    public init(
        health: Health = .answered, refusal: Refusal? = nil, quotas: [Quota] = [], charges: [Charge] = []
    ) {
        self.health = health
        self.refusal = refusal
        self.quotas = quotas
        self.charges = charges
    }
}
