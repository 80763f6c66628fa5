// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
public import Logging
public import Model
public import ServiceLifecycle
public import SyncStore

/// Gathers the requests to providers and writes them to `api_log` about once a second.
///
/// Nothing waits for it. It holds a bounded number of rows; what does not fit, and what cannot be written at once, is lost
/// and counted.
public final class APILog: Service, ExchangeRecorder, Sendable {
    private struct State {
        var rows: [(row: APILogRow, end: ContinuousClock.Instant)] = []
        var written = 0
        var dropped = 0
    }

    private let store: APILogStore
    private let logger: Logger
    private let state = LockedBox(State())

    /// Rows in memory; more than a worker sends in a second. About 2 MB.
    static let capacity = 5_000
    /// Rows of one statement.
    static let batchLimit = 500
    /// The wait between two looks at what gathered.
    static let interval: Duration = .seconds(1)
    /// How long the end of a worker waits for its last rows.
    static let lastFlushLimit: Duration = .seconds(3)

    /// A log that writes to that table while it runs.
    public init(store: APILogStore, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    /// Keeps a request until it is written; drops it when too many wait.
    public func record(_ exchange: ProviderExchange) {
        var row = APILogRow(
            service: exchange.service, method: exchange.method, endpoint: exchange.endpoint,
            duration: exchange.duration)
        row.integrationID = exchange.integrationID
        row.runID = exchange.runID
        row.statusCode = exchange.status
        row.bytes = exchange.bytes
        row.requestID = exchange.requestID
        row.error = exchange.error
        let end = ContinuousClock.now
        state.withLock { state in
            if state.rows.count < Self.capacity {
                state.rows.append((row, end))
            } else {
                state.dropped += 1
            }
        }
    }

    /// Writes what gathers until graceful shutdown, and then what is left. Shut it down after everything that records.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do { try await ContinuousClock().sleep(for: Self.interval) } catch { return }
                await self.flush()
            }
        }
        await withTaskGroup { group in
            group.addTask { await self.flush() }
            group.addTask {
                // Ends early by the cancellation below; then the flush was done in time.
                do { try await ContinuousClock().sleep(for: Self.lastFlushLimit) } catch { return }
            }
            await group.next()
            group.cancelAll()
        }
    }

    /// Writes what is there, batch after batch. A batch that fails is lost: a log is not worth a second try.
    func flush() async {
        while true {
            let batch = state.withLock { state in
                let batch = Array(state.rows.prefix(Self.batchLimit))
                state.rows.removeFirst(batch.count)
                return batch
            }
            guard !batch.isEmpty else { return }
            let now = ContinuousClock.now
            do throws(StoreError) {
                try await store.write(batch.map { ($0.row, now - $0.end + $0.row.duration) })
                state.withLock { $0.written += batch.count }
            } catch {
                state.withLock { $0.dropped += batch.count }
                logger.warning(
                    "rows of the request log are lost",
                    metadata: ["rows": "\(batch.count)", "error": "\(error)"])
                // The next look tries again; so a ledger in trouble is not asked without end.
                return
            }
        }
    }

    /// What was written and what was lost, for an endpoint.
    public var metrics: [Metric] {
        let (written, dropped) = state.withLock { ($0.written, $0.dropped) }
        return [
            Metric(
                "lockstep_worker_api_log_rows_total", .counter,
                "Rows of the request log, by what became of them.",
                [
                    .init(["outcome": "dropped"], .number(Double(dropped))),
                    .init(["outcome": "written"], .number(Double(written))),
                ])
        ]
    }
}
