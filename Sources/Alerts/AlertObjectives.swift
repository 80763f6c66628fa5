// SPDX-License-Identifier: Apache-2.0

public import Model

/// What is too much, and how patient alerts are.
public struct AlertObjectives: Sendable, Equatable {
    /// How long the oldest ready job of a queue may have waited; a queue without an objective is not watched.
    public var backlog: [Queue: Duration]
    /// More failed requests of a service than these, within `errorWindow`, are a burst; zero watches none.
    public var errors: Int
    /// So many new dead letters within `deadLetterWindow` are a trouble; zero watches none.
    public var deadLetters: Int
    /// Whether the operator accepts a Redis that may forget.
    public var allowsLossyRedis: Bool
    /// For how long a cause does not open a second alert after the first one was resolved.
    public var cooldown: Duration

    /// Failed requests are counted over it.
    public static let errorWindow: Duration = .seconds(300)
    /// Dead letters are counted over it.
    public static let deadLetterWindow: Duration = .seconds(600)
    /// Late slots are remembered for it.
    public static let slotWindow: Duration = .seconds(600)
    /// For how long a cause has to be unseen before its alert is resolved.
    public static let hold: Duration = .seconds(120)

    /// Objectives.
    public init(
        backlog: [Queue: Duration], errors: Int, deadLetters: Int, allowsLossyRedis: Bool, cooldown: Duration
    ) {
        self.backlog = backlog
        self.errors = errors
        self.deadLetters = deadLetters
        self.allowsLossyRedis = allowsLossyRedis
        self.cooldown = cooldown
    }
}
