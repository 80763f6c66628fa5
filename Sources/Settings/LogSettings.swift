// SPDX-License-Identifier: Apache-2.0

/// How much is logged; the names are those of swift-log.
public enum LogLevel: String, Sendable, CaseIterable {
    case trace, debug, info, notice, warning, error, critical
}

/// How a log line is written.
public enum LogFormat: String, Sendable, CaseIterable {
    /// For people.
    case text
    /// One object a line, for collectors.
    case json
}
