// SPDX-License-Identifier: Apache-2.0

public import PostgresClient

/// A failure to read or write the ledger.
public struct StoreError: Error, Sendable {
    /// What happened, for programs.
    public enum Code: Sendable, Equatable {
        /// A newer run holds the fence: the caller's work is void, and nothing of it was written.
        case staleFence
        /// The connection was lost while the commit was under way; whether it took effect has to be read.
        case commitUnknown
        /// Postgres refused a value of the batch (SQLSTATE class 22): some record is at fault, not the connection.
        case badData(sqlstate: String)
        /// Postgres cannot be reached or asks to try again.
        case unavailable
        /// The calling task was cancelled; nothing of the batch was written.
        case cancelled
        /// A row is there already.
        case duplicate
        /// The schema is older or newer than this program.
        case schemaMismatch
        /// Anything else the server refused.
        case rejected(sqlstate: String)
        /// The server's answer has not the form this program expects.
        case unexpectedReply
    }

    /// What went wrong, for programs.
    public let code: Code
    /// For the operator; never a stored value.
    public let message: String
    /// The failure of Postgres behind it, if there is one.
    public let underlying: PostgresError?

    /// An error of the ledger's own, or one with a cause.
    public init(_ code: Code, _ message: String, underlying: PostgresError? = nil) {
        self.code = code
        self.message = message
        self.underlying = underlying
    }
}

extension StoreError {
    /// Classifies a failure of the driver; a StoreError passes unchanged.
    init(mapping error: any Error) {
        switch error {
        case let error as StoreError: self = error
        case let error as PostgresError: self.init(mapping: error)
        default: self.init(.unavailable, "unexpected error: \(error)")
        }
    }

    init(mapping error: PostgresError) {
        let code: Code =
            switch error.code {
            case .server(let sqlstate): Self.code(ofRefusal: sqlstate)
            case .commitUnknown: .commitUnknown
            case .invalidInput: .badData(sqlstate: "22021")
            case .connectFailed, .connectionLost, .timeout, .poolExhausted, .closed: .unavailable
            case .cancelled: .cancelled
            }
        self.init(code, error.message, underlying: error)
    }

    /// SQLSTATE classes (PostgreSQL manual, appendix A): 08 connection, 40 rolled back, 53 resources, 55 object in use,
    /// 57 operator intervention are worth another try.
    private static func code(ofRefusal sqlstate: String) -> Code {
        switch sqlstate.prefix(2) {
        case "LS": .staleFence
        case "22": .badData(sqlstate: sqlstate)
        case "08", "40", "53", "55", "57": .unavailable
        default: sqlstate == "23505" ? .duplicate : .rejected(sqlstate: sqlstate)
        }
    }
}

extension StoreError: CustomStringConvertible {
    /// The message, as operators read it.
    public var description: String { message }
}
