// SPDX-License-Identifier: Apache-2.0

import CLibPQ

/// A failure of a statement or of a connection. Its text never carries a stored or a bound value.
public struct PostgresError: Error, Sendable, Equatable {
    /// What happened, for programs.
    public enum Code: Sendable, Hashable {
        /// The server refused the statement, or the connection, with this SQLSTATE.
        case server(sqlstate: String)
        /// No connection could be made.
        case connectFailed
        /// The connection was lost; whether the statement took effect is unknown.
        case connectionLost
        /// The connection was lost while COMMIT was under way; whether it took effect has to be read.
        case commitUnknown
        /// The deadline passed. The statement was asked to stop.
        case timeout
        /// The calling task was cancelled. The statement was asked to stop.
        case cancelled
        /// No connection became free in time.
        case poolExhausted
        /// The pool or the connection is closed.
        case closed
        /// The URL or a parameter is not usable.
        case invalidInput
    }

    /// What went wrong, for programs.
    public let code: Code
    /// One sentence for the operator.
    public let message: String

    /// An error of this client's own, without a SQLSTATE.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The SQLSTATE, when the server sent one.
    public var sqlstate: String? {
        if case .server(let sqlstate) = code { sqlstate } else { nil }
    }
}

extension PostgresError: CustomStringConvertible {
    /// The message, as operators read it.
    public var description: String { message }
}

extension PostgresError {
    /// The SQLSTATE in libpq's verbose text of a refused connection, such as `FATAL:  53300: sorry, …`; nil when it was not
    /// the server that refused.
    static func sqlstate(inRefusal text: String) -> String? {
        guard let severity = text.firstRange(of: ":  ") else { return nil }
        let code = text[severity.upperBound...].prefix(5)
        let isCode = code.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) }
        let rest = text[severity.upperBound...].dropFirst(5)
        return code.count == 5 && isCode && rest.hasPrefix(": ") ? String(code) : nil
    }

    /// The server's refusal, by its SQLSTATE, with the names of what it concerns.
    init(refusal result: OpaquePointer) {
        func field(_ value: UnsafeMutablePointer<CChar>?) -> String? { value.map { String(cString: $0) } }
        let sqlstate = field(lockstep_pq_sqlstate(result)) ?? "XX000"
        var message = "Postgres refused the statement with SQLSTATE \(sqlstate)"
        // Data errors quote the value in their text; the other classes name objects and states.
        if ["08", "25", "26", "42", "53", "55", "57", "LS"].contains(String(sqlstate.prefix(2))),
            let text = field(lockstep_pq_primary_message(result))
        {
            message += ": \(text)"
        }
        let places = [
            ("table", field(lockstep_pq_table(result))), ("column", field(lockstep_pq_column(result))),
            ("constraint", field(lockstep_pq_constraint(result))),
        ]
        for (kind, name) in places {
            if let name { message += ", \(kind) \(name)" }
        }
        self.init(.server(sqlstate: sqlstate), message)
    }
}
