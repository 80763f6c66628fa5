// SPDX-License-Identifier: Apache-2.0

public import RedisClient

/// The limiter could not be asked. No request may start then.
public struct LimitError: Error, Sendable {
    /// What happened, for programs.
    public enum Code: Sendable, Equatable {
        /// Redis was not reached or did not answer in time.
        case unavailable
        /// Redis is full.
        case full
        /// A key of the limiter holds something else; a person has to look at it.
        case wrongKeyType
        /// The calling task was cancelled.
        case cancelled
        /// A script answered something unexpected.
        case unexpectedReply
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

    init(_ error: RedisError) {
        let code: Code =
            switch error.code {
            case .serverError(prefix: "OOM"): .full
            case .serverError(prefix: "WRONGKEY"): .wrongKeyType
            case .cancelled: .cancelled
            default: .unavailable
            }
        self.init(code, error.message, underlying: error)
    }
}

extension LimitError: CustomStringConvertible {
    /// The message, as operators read it.
    public var description: String { message }
}
