// SPDX-License-Identifier: Apache-2.0

import CLibPQ
import Model

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// One connection. Its actor runs on a thread of its own, so that statements wait there and nowhere else.
///
/// Statements are unnamed and nothing depends on session state: the connection may go through pgbouncer in transaction
/// mode.
public actor PostgresConnection {
    private let thread: ConnectionThread
    private let interrupter: Interrupter
    private let configuration: PostgresConfiguration
    private var handle: OpaquePointer?
    private var canceller: OpaquePointer?
    private let operations = LockedBox<UInt64>(0)

    public nonisolated var unownedExecutor: UnownedSerialExecutor { thread.asUnownedSerialExecutor() }

    /// Connects within `configuration.connectTimeout`.
    static func connect(_ configuration: PostgresConfiguration) async throws(PostgresError)
        -> PostgresConnection
    {
        let connection = try PostgresConnection(configuration)
        try await connection.open()
        return connection
    }

    private init(_ configuration: PostgresConfiguration) throws(PostgresError) {
        thread = try ConnectionThread()
        interrupter = try Interrupter()
        self.configuration = configuration
    }

    isolated deinit {
        close()
        // Only now: a closed connection still answers its callers, on this thread.
        thread.stop()
    }

    /// Whether statements can be sent.
    var isOpen: Bool {
        guard let handle else { return false }
        return PQstatus(handle) == CONNECTION_OK
    }

    /// Whether another caller may have it: open, and nothing left over from the last one.
    var isUsable: Bool { isOpen && isIdle }

    /// Whether the connection is outside a transaction and has nothing under way.
    var isIdle: Bool {
        guard let handle else { return false }
        return PQtransactionStatus(handle) == PQTRANS_IDLE
    }

    /// Ends the connection; statements after it fail with `closed`.
    func close() {
        if let canceller { PQfreeCancel(canceller) }
        canceller = nil
        if let handle {
            PQfinish(handle)
            self.handle = nil
        }
    }

    /// Runs one statement and returns its rows.
    ///
    /// Values travel as parameters only. When the deadline passes or the task is cancelled, the server is asked to
    /// stop the statement and the connection goes on when it did.
    public func query(
        _ sql: String, _ parameters: [PostgresParameter] = [], deadline: Duration? = nil
    ) async throws(PostgresError) -> PostgresRows {
        let operation = operations.withLock { operations in
            operations += 1
            return operations
        }
        let interrupter = interrupter
        do {
            return try await withTaskCancellationHandler {
                try run(sql, parameters, deadline: deadline, operation: operation)
            } onCancel: {
                interrupter.cancel(operation)
            }
        } catch let error as PostgresError {
            throw error
        } catch {
            throw PostgresError(.closed, "unexpected error: \(error)")
        }
    }

    private func open() throws(PostgresError) {
        let keywords = ["dbname", "application_name", "client_encoding", "connect_timeout"]
        let seconds = max(2, configuration.connectTimeout.components.seconds)
        let values = [configuration.url, configuration.applicationName, "UTF8", String(seconds)]
        let raw = withCStringArray(keywords) { keywords in
            withCStringArray(values) { values in PQconnectStartParams(keywords, values, 1) }
        }
        guard let raw else { throw PostgresError(.connectFailed, "libpq has no memory for a connection") }
        handle = raw

        let limit = ContinuousClock.now.advanced(by: configuration.connectTimeout)
        var state = PGRES_POLLING_WRITING
        while state != PGRES_POLLING_OK {
            guard PQstatus(raw) != CONNECTION_BAD, state != PGRES_POLLING_FAILED else {
                let reason = redactedConnectError(raw)
                close()
                throw PostgresError(.connectFailed, "cannot connect to Postgres: \(reason)")
            }
            let events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT
            guard SocketWait.wait(for: Int16(events), on: PQsocket(raw), until: limit) == .ready else {
                close()
                throw PostgresError(
                    .connectFailed, "cannot connect to Postgres within \(configuration.connectTimeout)")
            }
            state = PQconnectPoll(raw)
        }
        PQsetnonblocking(raw, 1)
        canceller = PQgetCancel(raw)
    }

    /// libpq's text names host, port and reason; a password never stands in it, but a URL could.
    private func redactedConnectError(_ raw: OpaquePointer) -> String {
        guard let text = PQerrorMessage(raw) else { return "no reason given" }
        let lines = String(cString: text).split(whereSeparator: \.isNewline)
        return lines.first.map(String.init) ?? "no reason given"
    }

    private func run(
        _ sql: String, _ parameters: [PostgresParameter], deadline: Duration?, operation: UInt64
    ) throws(PostgresError) -> PostgresRows {
        guard let handle else { throw PostgresError(.closed, "the connection is closed") }
        guard !sql.utf8.contains(0), !parameters.contains(where: \.hasForbiddenNUL) else {
            throw PostgresError(
                .invalidInput, "a text parameter has a NUL character, which Postgres cannot store")
        }
        interrupter.begin(operation)
        let limit = ContinuousClock.now.advanced(by: deadline ?? configuration.statementTimeout)
        guard ParameterBuffer(parameters).send(sql, to: handle) else { throw lost("sending a statement") }
        try flush(handle, until: limit, operation: operation)
        return try collect(handle, until: limit, operation: operation)
    }

    private func flush(
        _ handle: OpaquePointer, until limit: ContinuousClock.Instant, operation: UInt64
    ) throws(PostgresError) {
        while true {
            let pending = PQflush(handle)
            if pending == 0 { return }
            guard pending == 1 else { throw lost("sending a statement") }
            // The server may be unable to read before we read what it writes (libpq, "Asynchronous Command Processing").
            try wait(for: POLLIN | POLLOUT, until: limit, operation: operation)
            guard PQconsumeInput(handle) == 1 else { throw lost("sending a statement") }
        }
    }

    /// Reads all results of one statement; the first error wins over later rows.
    private func collect(
        _ handle: OpaquePointer, until limit: ContinuousClock.Instant, operation: UInt64
    ) throws(PostgresError) -> PostgresRows {
        var rows: PostgresRows?
        var failure: PostgresError?
        while true {
            while PQisBusy(handle) == 1 {
                try wait(for: POLLIN, until: limit, operation: operation)
                guard PQconsumeInput(handle) == 1 else { throw lost("waiting for a result") }
            }
            guard let raw = PQgetResult(handle) else { break }
            let result = ResultOwner(raw)
            switch PQresultStatus(raw) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
                rows = PostgresRows(result)
            default:
                failure = failure ?? Self.serverError(raw)
            }
        }
        if PQstatus(handle) != CONNECTION_OK { throw lost("waiting for a result") }
        if let failure { throw failure }
        guard let rows else { throw lost("waiting for a result") }
        return rows
    }

    private func wait(
        for events: Int32, until limit: ContinuousClock.Instant, operation: UInt64
    ) throws(PostgresError) {
        guard let handle else { throw PostgresError(.closed, "the connection is closed") }
        while true {
            if interrupter.isCancelled(operation) {
                abandon()
                throw PostgresError(.cancelled, "the statement was cancelled")
            }
            switch SocketWait.wait(
                for: Int16(events), on: PQsocket(handle), until: limit,
                interruptedBy: interrupter.event.descriptor)
            {
            case .ready: return
            case .interrupted: interrupter.event.wait()
            case .timedOut:
                abandon()
                throw PostgresError(.timeout, "the statement's deadline passed")
            }
        }
    }

    /// Asks the server to stop the statement under way, and closes the connection: what is left on the wire belongs to
    /// nobody. The request has a connection of its own and is bounded by TCP alone, so a helper thread sends it.
    private func abandon() {
        if let canceller {
            self.canceller = nil
            CancelRequest.send(canceller)
        }
        close()
    }

    private func lost(_ activity: String) -> PostgresError {
        close()
        return PostgresError(.connectionLost, "the connection to Postgres was lost while \(activity)")
    }

    private static func serverError(_ result: OpaquePointer) -> PostgresError {
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
        return PostgresError(.server(sqlstate: sqlstate), message)
    }
}

private func withCStringArray(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> OpaquePointer?
) -> OpaquePointer? {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    let pointers = copies.map { UnsafePointer($0) } + [nil]
    return pointers.withUnsafeBufferPointer { $0.baseAddress.flatMap(body) }
}
