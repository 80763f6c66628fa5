// SPDX-License-Identifier: Apache-2.0

/// The kinds of trouble that open an alert.
public enum AlertKind: String, Sendable, CaseIterable {
    /// Requests to a service fail in numbers.
    case errorBurst = "error_burst"
    /// An integration needs its user; workers open it.
    case reauthRequired = "reauth_required"
    /// A full sync would delete too much; workers open it.
    case sweepHeld = "sweep_held"
    /// Ready jobs of a queue wait longer than they should.
    case backlog
    /// Dead letters gather.
    case deadLetters = "dead_letters"
    /// A slot of a schedule came late or did not run.
    case scheduleMissed = "schedule_missed"
    /// Redis may lose what it acknowledged.
    case redisDurability = "redis_durability"

    /// Those that schedulers watch; the others are opened and resolved where they happen.
    public static let watched: [AlertKind] = [
        .errorBurst, .backlog, .deadLetters, .scheduleMissed, .redisDurability,
    ]
}
