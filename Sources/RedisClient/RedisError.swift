// SPDX-License-Identifier: Apache-2.0

/// A failure of a command or of a connection. Its text never carries a stored value or a password.
public struct RedisError: Error, Sendable, Equatable {
    /// What happened, for programs.
    public enum Code: Sendable, Hashable {
        /// The server refused the command; the prefix is the first word of its error (`OOM`, `NOSCRIPT`,
        /// `WRONGTYPE`).
        case serverError(prefix: String)
        /// No connection could be made.
        case connectFailed
        /// The connection was lost after the command was sent; whether it took effect is unknown.
        case connectionLost
        /// The deadline passed. A command that was sent already may still take effect.
        case timeout
        /// The calling task was cancelled. A command that was sent already may still take effect.
        case cancelled
        /// The client is closed.
        case closed
        /// Too many commands wait, or too many blocking commands run.
        case overloaded
        /// The server sent something that is not RESP2, or more replies than commands.
        case protocolViolation
        /// The URL is not usable.
        case invalidURL
    }

    /// What went wrong, for programs.
    public let code: Code
    /// One sentence for the operator.
    public let message: String

    /// An error of this client's own.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The first word of the server's error, when the server sent one.
    public var serverPrefix: String? {
        if case .serverError(let prefix) = code { prefix } else { nil }
    }
}

extension RedisError: CustomStringConvertible {
    /// The message, as operators read it.
    public var description: String { message }
}

extension RedisError {
    /// The server's refusal. Redis quotes arguments only in `ERR` texts about unknown commands, which are
    /// cut.
    init(refusal text: String) {
        let prefix = String(text.prefix { $0 != " " })
        self.init(.serverError(prefix: prefix), "Redis refused the command: \(text.prefix(300))")
    }
}
