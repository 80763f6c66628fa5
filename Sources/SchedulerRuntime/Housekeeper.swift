// SPDX-License-Identifier: Apache-2.0

public import Logging
import Model
public import ServiceLifecycle
public import SyncStore

/// Deletes what is older than it has to be, in small steps, and makes the days of the request log ahead of time.
///
/// Any number of schedulers may do this at once: each skips the rows that another one is deleting.
public final class Housekeeper: Service, Sendable {
    private let store: RetentionStore
    private let lifetimes: [ExpiringTable: Duration]
    private let logger: Logger

    /// The wait between two rounds.
    static let interval: Duration = .seconds(60)
    /// Rows of one statement: some ten milliseconds of work.
    static let batchLimit = 1_000
    /// Statements for one table in a round; what is left waits for the next one.
    static let batchesPerRound = 20
    /// Between two statements, so that others come first.
    static let pause: Duration = .milliseconds(50)

    /// `lifetimes` says how long rows are kept; a table without one keeps them.
    public init(store: RetentionStore, lifetimes: [ExpiringTable: Duration], logger: Logger) {
        self.store = store
        self.lifetimes = lifetimes
        self.logger = logger
    }

    /// Keeps house until graceful shutdown.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.round()
                do { try await ContinuousClock().sleep(for: Self.interval) } catch { return }
            }
        }
    }

    /// Does each chore once; one that fails does not keep the others from being done.
    func round() async {
        await chore("the days of the request log are not made") { _ = try await self.store.makeDays() }
        if let age = lifetimes[.apiLog] {
            await chore("old days of the request log stay") {
                while try await self.store.dropDay(olderThan: age) {
                    self.logger.info("a day of the request log is over")
                }
            }
        }
        for table in ExpiringTable.allCases {
            guard let age = lifetimes[table] else { continue }
            await chore("old rows of \(table.rawValue) stay") { try await self.expire(table, olderThan: age) }
        }
    }

    private func expire(_ table: ExpiringTable, olderThan age: Duration) async throws {
        var count: Int64 = 0
        for _ in 0..<Self.batchesPerRound {
            let deleted = try await store.expire(table, olderThan: age, limit: Self.batchLimit)
            count += deleted
            if deleted < Self.batchLimit { break }
            try await ContinuousClock().sleep(for: Self.pause)
        }
        if count > 0 {
            logger.info("old rows are deleted", metadata: ["table": "\(table.rawValue)", "rows": "\(count)"])
        }
    }

    private func chore(_ consequence: String, _ body: () async throws -> Void) async {
        do {
            try await body()
        } catch {
            guard !Task.isCancelled else { return }
            logger.warning("\(consequence); tried again in a minute", metadata: ["error": "\(error)"])
        }
    }
}
