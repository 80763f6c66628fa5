// SPDX-License-Identifier: Apache-2.0

import Logging
import Model
import PostgresClient
import SyncStore
import Testing

@testable import WorkerRuntime

@Suite struct `A gate before the ledger` {
    private struct Gone: Error {}

    /// Runs a gate whose probe answers as `isThere` says.
    private func withGate(_ isThere: LockedBox<Bool>, _ body: (LedgerGate) async throws -> Void) async throws
    {
        let gate = LedgerGate(
            probe: { _ in if !isThere.withLock({ $0 }) { throw Gone() } },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let watching = Task { await gate.watchUntilCancelled() }
        defer { watching.cancel() }
        try await body(gate)
    }

    private func until(_ condition: () -> Bool) async throws {
        let limit = ContinuousClock.now + .seconds(60)
        while !condition(), ContinuousClock.now < limit {
            try await ContinuousClock().sleep(for: .milliseconds(5))
        }
        #expect(condition())
    }

    private static func refusal(_ sqlstate: String, _ code: StoreError.Code) -> StoreError {
        StoreError(code, "refused", underlying: PostgresError(.server(sqlstate: sqlstate), "refused"))
    }

    @Test func `closes when a run lost its connection and the probe fails, and opens again by itself`()
        async throws
    {
        let isThere = LockedBox(false)
        try await withGate(isThere) { gate in
            #expect(gate.allowance == .all)
            #expect(await gate.failed(StoreError(.unavailable, "lost")))
            #expect(gate.allowance == .none)
            try await until { gate.trouble != nil }

            isThere.withLock { $0 = true }
            try await until { gate.allowance == .all }
            #expect(gate.trouble == nil)
        }
    }

    @Test func `puts a statement that timed out down to the ledger only when that is in trouble`()
        async throws
    {
        let isThere = LockedBox(true)
        try await withGate(isThere) { gate in
            #expect(await !gate.failed(StoreError(.timedOut, "slow")))

            isThere.withLock { $0 = false }
            #expect(await gate.failed(StoreError(.timedOut, "slow")))
        }
    }

    @Test func `is not closed by a lock that somebody holds, nor by a statement that is wrong`() async throws
    {
        try await withGate(LockedBox(false)) { gate in
            #expect(await gate.failed(Self.refusal("40P01", .contended)))
            #expect(await !gate.failed(Self.refusal("42703", .rejected(sqlstate: "42703"))))
            #expect(gate.allowance == .all)
        }
    }

    @Test func `closes at once when a write found no room`() async throws {
        try await withGate(LockedBox(true)) { gate in
            #expect(await gate.failed(Self.refusal("53100", .unavailable)))
            #expect(gate.allowance == .none)
            #expect(gate.trouble != nil)
            try await until { gate.allowance == .one }
            gate.worked()
            #expect(gate.allowance == .all)
        }
    }
}
