// SPDX-License-Identifier: Apache-2.0

/// How a record writes an instant, where Postgres has to read it too.
public enum TimeNotation: String, Sendable, CaseIterable {
    /// Seconds since 1970, with or without a fraction.
    case epochSeconds = "epoch_seconds"
    case epochMilliseconds = "epoch_milliseconds"
    case rfc3339
}
