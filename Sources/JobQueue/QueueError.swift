// SPDX-License-Identifier: Apache-2.0

public import RedisClient

/// A queue operation that did not happen, or of which that is not known.
public struct QueueError: Error, Sendable {
    /// What happened, for programs.
    public enum Code: Sendable, Hashable {
        /// Redis was not reached or did not answer in time. The operation may have taken effect.
        case unavailable
        /// Redis is full. Nothing changed.
        case full
        /// A key of the queue holds something else. Nothing changed; a person has to look at it.
        case wrongKeyType(key: String)
        /// The payload is not a job. Nothing changed.
        case invalidPayload(PayloadProblem)
        /// Redis refused the operation for another reason.
        case refused
        /// A script answered something unexpected.
        case unexpectedReply
        /// The calling task was cancelled. The operation may have taken effect.
        case cancelled
    }

    /// What went wrong, for programs.
    public let code: Code
    /// One sentence for the operator.
    public let message: String
    /// The failure of Redis behind it, if there is one.
    public let underlying: RedisError?

    init(_ code: Code, _ message: String, underlying: RedisError? = nil) {
        self.code = code
        self.message = message
        self.underlying = underlying
    }
}

extension QueueError: CustomStringConvertible {
    /// The message, as operators read it.
    public var description: String { message }
}

extension QueueError {
    init(_ error: RedisError) {
        switch error.code {
        case .serverError(prefix: "OOM"):
            self.init(.full, "Redis is full (maxmemory is reached)", underlying: error)
        case .serverError(prefix: "WRONGKEY"):
            let words = error.message.split(separator: " ")
            let key = words.firstIndex(of: "WRONGKEY").map { String(words[$0 + 1]) } ?? ""
            self.init(.wrongKeyType(key: key), error.message, underlying: error)
        case .serverError: self.init(.refused, error.message, underlying: error)
        case .cancelled: self.init(.cancelled, error.message, underlying: error)
        default: self.init(.unavailable, error.message, underlying: error)
        }
    }

    static func unexpected(_ script: String) -> QueueError {
        QueueError(.unexpectedReply, "the queue script \(script) answered something unexpected")
    }
}
