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

    /// The connection's own thread: libpq blocks, and must not block the cooperative pool.
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

    /// Whether another caller may have it: open, nothing left over from the last one, and not closed by the server since.
    var isUsable: Bool {
        guard isOpen, isIdle, let handle else { return false }
        // The server speaks unasked to an idle connection when it ends it, and hardly ever else.
        return !SocketWait.hasInput(PQsocket(handle))
    }

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
    /// stop the statement and the connection is closed.
    public func query(
        _ sql: String, _ parameters: [PostgresParameter] = [], deadline: Duration? = nil
    ) async throws(PostgresError) -> PostgresRows {
        try await interruptibly(deadline) { wait throws(PostgresError) in
            let statement = PostgresStatement(sql, parameters)
            try refuseNUL(statement)
            try send(statement)
            try flush(wait)
            guard let rows = try collect(wait) else { throw lost("waiting for a result") }
            return rows
        }
    }

    /// What became of statements that were given to a connection of a pool.
    struct Exchange: Sendable {
        /// The rows of each statement. Nil: the connection could not be used, and nothing was sent.
        let outcome: Result<[PostgresRows], PostgresError>?
        /// Whether another caller may have the connection.
        let isUsable: Bool
    }

    /// Runs statements as one transaction, with the questions that a pool asks before and after. Together, as each visit to
    /// this connection's thread costs two switches of threads.
    func exchange(_ statements: [PostgresStatement], deadline: Duration?) async -> Exchange {
        guard isUsable else { return Exchange(outcome: nil, isUsable: false) }
        do throws(PostgresError) {
            let rows: [PostgresRows]
            if statements.count == 1 {
                rows = [try await query(statements[0].sql, statements[0].parameters, deadline: deadline)]
            } else {
                rows = try await pipeline(statements, deadline: deadline)
            }
            return Exchange(outcome: .success(rows), isUsable: isUsable)
        } catch {
            return Exchange(outcome: .failure(error), isUsable: isUsable)
        }
    }

    /// Runs statements in one round trip, and returns the rows of each.
    ///
    /// Outside a transaction block they are one transaction together. The first error ends it: the statements behind
    /// are not run, and the error of the failed one is thrown.
    public func pipeline(
        _ statements: [PostgresStatement], deadline: Duration? = nil
    ) async throws(PostgresError) -> [PostgresRows] {
        precondition(statements.count <= Self.pipelineLimit, "a pipeline has a bounded number of statements")
        return try await interruptibly(deadline) { wait throws(PostgresError) in
            try runPipeline(statements, wait)
        }
    }

    /// Runs a `COPY … FROM STDIN` statement with this data, and returns the number of rows that were written. A piece of the
    /// data is asked for when the one before it is sent, so that they need not be in memory together.
    public func copyIn(
        _ sql: String, data: some Sequence<[UInt8]> & Sendable, deadline: Duration? = nil
    ) async throws(PostgresError) -> Int {
        try await interruptibly(deadline) { wait throws(PostgresError) in
            try runCopy(sql, data, wait)
        }
    }

    /// Runs a text of several statements without parameters, such as a migration. Any rows are dropped.
    public func script(_ sql: String, deadline: Duration? = nil) async throws(PostgresError) {
        try await interruptibly(deadline) { wait throws(PostgresError) in
            guard let handle, PQsendQuery(handle, sql) == 1 else { throw lost("sending a script") }
            try flush(wait)
            _ = try collect(wait)
        }
    }

    /// Gives up the operation under way if it has taken this long, as if the connection had been lost.
    nonisolated func lose(after limit: Duration) {
        interrupter.lose(after: limit)
    }

    /// The most statements of one pipeline: their results wait in this process' memory until the last is sent.
    public static let pipelineLimit = 64

    /// Runs libpq calls on this connection's thread, where a deadline or the task's cancellation may end them.
    private func interruptibly<Value>(
        _ deadline: Duration?, _ body: (OperationWait) throws(PostgresError) -> Value
    ) async throws(PostgresError) -> Value {
        guard handle != nil else { throw PostgresError(.closed, "the connection is closed") }
        let operation = operations.withLock { operations in
            operations += 1
            return operations
        }
        interrupter.begin(operation)
        let limit = ContinuousClock.now.advanced(by: deadline ?? configuration.statementTimeout)
        let interrupter = interrupter
        let outcome = await withTaskCancellationHandler {
            // A call of a method of this actor keeps the closure on the connection's thread.
            attempt(body, OperationWait(limit: limit, operation: operation))
        } onCancel: {
            interrupter.cancel(operation)
        }
        interrupter.end()
        return try outcome.get()
    }

    private func attempt<Value>(
        _ body: (OperationWait) throws(PostgresError) -> Value, _ wait: OperationWait
    ) -> Result<Value, PostgresError> {
        thread.checkIsolated()
        do throws(PostgresError) {
            return .success(try body(wait))
        } catch {
            return .failure(error)
        }
    }

    private func open() throws(PostgresError) {
        let seconds = max(2, configuration.connectTimeout.components.seconds)
        // What stands before the URL is overridden by it.
        let options =
            PeerWatch.options + [
                ("dbname", configuration.url), ("application_name", configuration.applicationName),
                ("client_encoding", "UTF8"), ("connect_timeout", String(seconds)),
            ]
        let raw = withCStringArray(options.map(\.0)) { keywords in
            withCStringArray(options.map(\.1)) { values in PQconnectStartParams(keywords, values, 1) }
        }
        guard let raw else { throw PostgresError(.connectFailed, "libpq has no memory for a connection") }
        handle = raw
        // A refusal is then told with its SQLSTATE, which libpq gives in the text alone.
        PQsetErrorVerbosity(raw, PQERRORS_VERBOSE)
        // libpq writes what the server notices to standard error, beside the log's own format.
        PQsetNoticeProcessor(raw, { _, _ in }, nil)

        let limit = ContinuousClock.now.advanced(by: configuration.connectTimeout)
        var state = PGRES_POLLING_WRITING
        while state != PGRES_POLLING_OK {
            guard PQstatus(raw) != CONNECTION_BAD, state != PGRES_POLLING_FAILED else {
                let error = connectError(raw)
                close()
                throw error
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
    private func connectError(_ raw: OpaquePointer) -> PostgresError {
        let text = PQerrorMessage(raw).map { String(cString: $0) } ?? ""
        let reason = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? "no reason given"
        let code: PostgresError.Code =
            PostgresError.sqlstate(inRefusal: reason).map { .server(sqlstate: $0) } ?? .connectFailed
        return PostgresError(code, "cannot connect to Postgres: \(reason)")
    }

    private func refuseNUL(_ statement: PostgresStatement) throws(PostgresError) {
        guard !statement.hasForbiddenNUL else {
            throw PostgresError(
                .invalidInput, "a text parameter has a NUL character, which Postgres cannot store")
        }
    }

    private func send(_ statement: PostgresStatement) throws(PostgresError) {
        guard let handle else { throw PostgresError(.closed, "the connection is closed") }
        guard ParameterBuffer(statement.parameters).send(statement.sql, to: handle) else {
            throw lost("sending a statement")
        }
    }

    private func flush(_ wait: OperationWait) throws(PostgresError) {
        guard let handle else { throw PostgresError(.closed, "the connection is closed") }
        while true {
            let pending = PQflush(handle)
            if pending == 0 { return }
            guard pending == 1 else { throw lost("sending a statement") }
            // The server may be unable to read before we read what it writes (libpq, "Asynchronous Command Processing").
            try self.wait(for: POLLIN | POLLOUT, wait)
            guard PQconsumeInput(handle) == 1 else { throw lost("sending a statement") }
        }
    }

    /// Waits for the next result of the statement under way; nil when it has no more.
    private func nextResult(_ wait: OperationWait) throws(PostgresError) -> ResultOwner? {
        guard let handle else { throw PostgresError(.closed, "the connection is closed") }
        while PQisBusy(handle) == 1 {
            try self.wait(for: POLLIN, wait)
            guard PQconsumeInput(handle) == 1 else { throw lost("waiting for a result") }
        }
        return PQgetResult(handle).map(ResultOwner.init)
    }

    /// Reads all results of one statement; the first error wins over later rows. Nil when there was none at all.
    private func collect(_ wait: OperationWait) throws(PostgresError) -> PostgresRows? {
        var rows: PostgresRows?
        var failure: PostgresError?
        while let result = try nextResult(wait) {
            switch PQresultStatus(result.raw) {
            case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY:
                rows = PostgresRows(result)
            case PGRES_PIPELINE_ABORTED:
                break
            default:
                failure = failure ?? PostgresError(refusal: result.raw)
            }
        }
        if let handle, PQstatus(handle) != CONNECTION_OK { throw lost("waiting for a result") }
        if let failure { throw failure }
        return rows
    }

    private func runPipeline(
        _ statements: [PostgresStatement], _ wait: OperationWait
    ) throws(PostgresError) -> [PostgresRows] {
        for statement in statements { try refuseNUL(statement) }
        guard let handle, PQenterPipelineMode(handle) == 1 else { throw lost("starting a pipeline") }
        for statement in statements { try send(statement) }
        guard PQpipelineSync(handle) == 1 else { throw lost("sending a pipeline") }
        try flush(wait)

        var rows: [PostgresRows] = []
        var failure: PostgresError?
        for _ in statements {
            do throws(PostgresError) {
                if let result = try collect(wait) { rows.append(result) }
            } catch {
                guard case .server = error.code else { throw error }
                failure = failure ?? error
            }
        }
        guard let sync = try nextResult(wait), PQresultStatus(sync.raw) == PGRES_PIPELINE_SYNC,
            PQexitPipelineMode(handle) == 1
        else { throw lost("ending a pipeline") }
        if let failure { throw failure }
        guard rows.count == statements.count else { throw lost("reading a pipeline") }
        return rows
    }

    private func runCopy(
        _ sql: String, _ data: some Sequence<[UInt8]>, _ wait: OperationWait
    ) throws(PostgresError) -> Int {
        try send(PostgresStatement(sql))
        try flush(wait)
        guard let handle, let ready = try nextResult(wait) else { throw lost("starting a COPY") }
        guard PQresultStatus(ready.raw) == PGRES_COPY_IN else {
            let refusal = PostgresError(refusal: ready.raw)
            _ = try collect(wait)
            throw refusal
        }
        for piece in data { try put(piece, handle, wait) }
        while true {
            let queued = PQputCopyEnd(handle, nil)
            if queued == 1 { break }
            guard queued == 0 else { throw lost("ending a COPY") }
            try self.wait(for: POLLIN | POLLOUT, wait)
            guard PQconsumeInput(handle) == 1 else { throw lost("ending a COPY") }
        }
        try flush(wait)
        guard let rows = try collect(wait) else { throw lost("ending a COPY") }
        return rows.affected
    }

    /// Hands the data over in chunks, so that libpq never holds a second copy of all of it.
    private func put(_ data: [UInt8], _ handle: OpaquePointer, _ wait: OperationWait) throws(PostgresError) {
        var offset = 0
        while offset < data.count {
            let length = min(Self.copyChunk, data.count - offset)
            let queued = data.withUnsafeBytes { bytes in
                let chunk = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
                return PQputCopyData(
                    handle, chunk.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(length))
            }
            guard queued >= 0 else { throw lost("sending COPY data") }
            if queued == 1 { offset += length }
            try flush(wait)
        }
    }

    private static let copyChunk = 256 * 1024

    private func wait(for events: Int32, _ wait: OperationWait) throws(PostgresError) {
        guard let handle else { throw PostgresError(.closed, "the connection is closed") }
        while true {
            if interrupter.isCancelled(wait.operation) {
                abandon()
                throw PostgresError(.cancelled, "the statement was cancelled")
            }
            if interrupter.isLost(wait.operation) {
                abandon()
                throw lost("waiting for a server that had gone")
            }
            switch SocketWait.wait(
                for: Int16(events), on: PQsocket(handle), until: wait.limit,
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
}

/// Until when an operation may wait, and which one it is.
private struct OperationWait {
    let limit: ContinuousClock.Instant
    let operation: UInt64
}

private func withCStringArray(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> OpaquePointer?
) -> OpaquePointer? {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    let pointers = copies.map { UnsafePointer($0) } + [nil]
    return pointers.withUnsafeBufferPointer { $0.baseAddress.flatMap(body) }
}
