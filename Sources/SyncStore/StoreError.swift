// SPDX-License-Identifier: Apache-2.0

public import PostgresClient

/// A failure to read or write the ledger.
public struct StoreError: Error, Sendable, Equatable {
    /// What happened, for programs.
    public enum Code: Sendable, Equatable {
        /// A newer run holds the fence: the caller's work is void, and nothing of it was written.
        case staleFence
        /// The connection was lost while the commit was under way; whether it took effect has to be read.
        case commitUnknown
        /// Postgres refused a value of the batch (SQLSTATE class 22), or cannot hold one (54: too long for an index, too
        /// deep for its stack): some record is at fault, not the connection.
        case badData(sqlstate: String)
        /// Postgres cannot be reached, or takes no writes. It is at fault, not the caller.
        case unavailable
        /// Another session stood in the way: a deadlock, or a lock that it kept. Nothing was written; worth another try.
        case contended
        /// The statement took longer than it may. Whether that is the caller's fault only shows in whether others succeed.
        case timedOut
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
            case .connectFailed, .connectionLost, .poolExhausted, .closed: .unavailable
            case .timeout: .timedOut
            case .cancelled: .cancelled
            }
        self.init(code, error.message, underlying: error)
    }

    /// SQLSTATEs (PostgreSQL manual, appendix A) of which no job is the cause: 08 connection, 28 login, 3D no such database,
    /// 53 resources, 57 operator intervention, 58 system, and 25006 a read-only server, 25P03 an idle transaction. 40 is a
    /// transaction that was rolled back for another one, 55 something in use.
    private static func code(ofRefusal sqlstate: String) -> Code {
        switch sqlstate {
        case "23505": return .duplicate
        case "57014": return .timedOut
        case "25006", "25P03": return .unavailable
        default: break
        }
        switch sqlstate.prefix(2) {
        case "LS": return .staleFence
        case "22", "54": return .badData(sqlstate: sqlstate)
        case "08", "28", "3D", "53", "57", "58": return .unavailable
        case "40", "55": return .contended
        default: return .rejected(sqlstate: sqlstate)
        }
    }

    /// Whether Postgres refused because it has no room: no disk, no memory. Then it still answers, and reads still work.
    public var isOutOfResources: Bool {
        guard let sqlstate = underlying?.sqlstate else { return false }
        return sqlstate.hasPrefix("53") && sqlstate != "53300" || sqlstate.hasPrefix("58")
    }
}

extension StoreError: CustomStringConvertible {
    /// The message, as operators read it.
    public var description: String { message }
}
