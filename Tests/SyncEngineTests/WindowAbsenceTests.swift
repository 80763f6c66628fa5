// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import DeclarativeConnectors
import Foundation
import HTTPTransport
import Logging
import Model
import PostgresClient
import SyncEngine
import SyncStore
import TestSupport
import Testing

/// A provider of items that have a time, listed by time, three a page, and everything of a sync but the queue.
private struct Windows {
    /// What the provider has: ids and times in seconds since 1970.
    let items = LockedBox<[String: Int]>([:])
    /// Answers instead of the list, by the number of the request since it was set.
    let fault = LockedBox<(@Sendable (Int) -> [ScriptedServer.Step]?)?>(nil)
    let server: ScriptedServer
    let pool: PostgresPool
    let store: SyncStore
    let engine: SyncEngine
    let connector: ManifestConnector
    private let http: HTTPClient
    private static let key = IntegrationKey(userID: "u_1", service: "demo")

    static let backfilled = """
        incremental: { kind: time_param, parameter: since, until_parameter: until, cursor: /at, format: epoch_seconds, compare: inclusive }
        """

    init(_ incremental: String = backfilled, bounds: String = "since: inclusive, until: exclusive")
        async throws
    {
        let (items, fault, count) = (items, fault, LockedBox(0))
        server = try ScriptedServer { request in
            if let answer = fault.withLock({ $0 }) {
                let number = count.withLock { number in
                    number += 1
                    return number
                }
                if let steps = answer(number) { return steps }
            } else {
                count.withLock { $0 = 0 }
            }
            return Self.page(request.target, items.withLock { $0 })
        }
        pool = PostgresPool(
            configuration: try await PostgresConfiguration(url: PostgresServer.makeDatabase()))
        _ = try await Migrator(pool: pool).migrate()
        store = SyncStore(pool: pool)
        engine = SyncEngine(store: store, configuration: EngineConfiguration())
        connector = try ManifestLoader.load(
            """
            lockstep: 1
            service: demo
            base_url: https://api.example.com
            streams:
              items:
                path: /items
                records: /data
                id: /id
                page: { kind: token, token: /next, parameter: after, end: absent }
                \(incremental)
                window_absence: { pointer: /at, format: epoch_seconds, \(bounds), mutable: false }
            """, file: "demo.yaml")
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: [server.origin])
        http = HTTPClient(
            configuration: client, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        _ = try await IntegrationStore(pool: pool).add(Self.key, configuration: Array("{}".utf8))
    }

    /// The list between `since` (inclusive) and `until` (exclusive), three items a page.
    private static func page(_ target: String, _ items: [String: Int]) -> [ScriptedServer.Step] {
        let query = URLComponents(string: target)?.queryItems ?? []
        func value(_ name: String) -> String? { query.first { $0.name == name }?.value }
        let since = value("since").flatMap { Int($0) } ?? .min
        let until = value("until").flatMap { Int($0) } ?? .max
        let found = items.filter { $0.value >= since && $0.value < until }
            .sorted { ($0.value, $0.key) < ($1.value, $1.key) }
        let start = value("after").flatMap { Int($0) } ?? 0
        let shown = found.dropFirst(start).prefix(3).map { #"{"id":"\#($0.key)","at":\#($0.value)}"# }
        let next = start + 3 < found.count ? #","next":"\#(start + 3)""# : ""
        return [
            .reply(
                headers: "Date: Thu, 01 Jan 1970 02:46:40 GMT\r\n",
                body: Array(#"{"data":[\#(shown.joined(separator: ","))]\#(next)}"#.utf8))
        ]
    }

    @discardableResult
    func sync(
        _ kind: SyncJob.Kind, stop: @escaping @Sendable (Duration) -> StopReason? = { _ in nil }
    ) async throws -> RunVerdict {
        let type: JobType = kind == .full ? .full : kind == .incremental ? .incremental : .backfill
        let start = try await store.begin(
            RunRequest(
                jobID: UUID().uuidString, attempt: 1, worker: "w", type: type, enqueuedAt: nil,
                integration: .key(Self.key)))
        guard case .opened(let run) = start else { throw PostgresError(.closed, "\(start)") }
        return await engine.perform(
            SyncJob(kind: kind, streams: nil), in: run, connector: connector,
            access: ProviderAccess(
                client: DirectClient(http: http), secrets: [:], configuration: [:],
                baseURL: server.url("/api")),
            stop: stop, progressed: {})
    }

    func backfill(_ since: Int, _ until: Int?) async throws -> RunVerdict {
        try await sync(
            .backfill(
                since: Timestamp(seconds: Int64(since)), until: until.map { Timestamp(seconds: Int64($0)) }))
    }

    func live() async throws -> Set<String> {
        let rows = try await pool.query(
            "SELECT external_id FROM lockstep.records WHERE deleted_at IS NULL")
        return Set((0..<rows.count).compactMap { rows.text($0, 0) })
    }

    func count(_ sql: String) async throws -> Int64 {
        try await pool.query("SELECT count(*) FROM lockstep.\(sql)").int(0, 0) ?? -1
    }

    /// Ten items, at 1000, 1100 and so on, in the copy and at the provider.
    func fill() async throws {
        items.withLock { items in
            for number in 0..<10 { items["i\(number)"] = 1_000 + 100 * number }
        }
        #expect(try await sync(.full) == .succeeded)
        #expect(try await live().count == 10)
    }

    func remove(_ ids: String...) {
        items.withLock { items in for id in ids { items[id] = nil } }
    }
}

@Suite struct `A stretch of time that was listed completely` {
    @Test func `deletes what of it is gone, and nothing beside it`() async throws {
        let windows = try await Windows()
        try await windows.fill()
        windows.remove("i1", "i3", "i4", "i8")

        #expect(try await windows.backfill(1_200, 1_700) == .succeeded)

        #expect(try await windows.live() == ["i0", "i1", "i2", "i5", "i6", "i7", "i8", "i9"])
        #expect(try await windows.count("deletions WHERE reason = 'absence'") == 2)
        #expect(try await windows.count("sync_log WHERE records_deleted = 2") == 1)
        #expect(try await windows.count("sync_seen WHERE generation < 0") == 0)
        #expect(try await windows.count("sync_state WHERE generation <> 1 OR phase <> 'idle'") == 0)
    }

    @Test(arguments: [
        ("since: inclusive, until: exclusive", ["i4", "i5"]),
        ("since: exclusive, until: exclusive", ["i5"]),
        ("since: inclusive, until: inclusive", ["i4", "i5", "i6"]),
        ("lag: 0s", ["i5"]),
    ])
    func `has the bounds that the manifest says`(bounds: String, gone: [String]) async throws {
        let windows = try await Windows(bounds: bounds)
        try await windows.fill()
        windows.items.withLock { $0 = [:] }

        #expect(try await windows.backfill(1_400, 1_600) == .succeeded)

        let all = Set((0..<10).map { "i\($0)" })
        #expect(try await windows.live() == all.subtracting(gone))
    }

    @Test func `says nothing without an end`() async throws {
        let windows = try await Windows()
        try await windows.fill()
        windows.remove("i1", "i3")

        #expect(try await windows.backfill(1_000, nil) == .succeeded)

        #expect(try await windows.live().count == 10)
    }

    @Test(arguments: [
        [ScriptedServer.Step.reply("500 Internal Server Error")], [.reset],
        [.reply("403 Forbidden")],
        [.reply(body: Array(#"{"data":[{"id":"i9","at":1900}"#.utf8))],
        [.reply(body: Array(#"{"data":[],"next":"3"}"#.utf8))],
    ])
    func `that breaks off in its middle deletes nothing`(steps: [ScriptedServer.Step]) async throws {
        let windows = try await Windows()
        try await windows.fill()
        windows.remove("i1", "i3")
        windows.fault.withLock { $0 = { number in number >= 2 ? steps : nil } }

        #expect(try await windows.backfill(1_000, 2_000) != .succeeded)
        #expect(try await windows.live().count == 10)
        #expect(try await windows.count("deletions") == 0)

        windows.fault.withLock { $0 = nil }
        #expect(try await windows.backfill(1_000, 2_000) == .succeeded)
        #expect(try await windows.live().count == 8)
    }

    @Test func `that a run stopped in its middle deletes nothing`() async throws {
        let windows = try await Windows()
        try await windows.fill()
        windows.remove("i1", "i3")
        let asked = LockedBox(0)

        let verdict = try await windows.sync(
            .backfill(since: Timestamp(seconds: 1_000), until: Timestamp(seconds: 2_000))
        ) { _ in
            asked.withLock { count in
                count += 1
                return count > 1 ? .drain : nil
            }
        }

        #expect(verdict == .yielded(.drain))
        #expect(try await windows.count("deletions") == 0)
    }

    @Test func `spares a record that moved within the list, and one that is known to have moved out of it`()
        async throws
    {
        let windows = try await Windows()
        try await windows.fill()
        // Read again by an incremental sync: the copy knows that it moved.
        windows.items.withLock { $0["i2"] = 1_950 }
        #expect(try await windows.sync(.incremental) == .succeeded)
        // Moved to another place of the stretch.
        windows.items.withLock { $0["i3"] = 1_450 }

        #expect(try await windows.backfill(1_000, 1_500) == .succeeded)

        #expect(try await windows.live().count == 10)
        #expect(try await windows.count("deletions") == 0)
    }

    @Test func `spares what was written while it was read`() async throws {
        let windows = try await Windows()
        try await windows.fill()
        windows.remove("i1")
        let pool = windows.pool
        // As a notification would, between two pages: a record that the list does not show is stored anew.
        windows.fault.withLock { fault in
            fault = { number in
                guard number == 2 else { return nil }
                let written = DispatchSemaphore(value: 0)
                Task {
                    defer { written.signal() }
                    do {
                        _ = try await pool.query(
                            "UPDATE lockstep.records SET synced_at = now() WHERE external_id = 'i1'")
                    } catch {
                        Issue.record("\(error)")
                    }
                }
                written.wait()
                return nil
            }
        }

        #expect(try await windows.backfill(1_000, 2_000) == .succeeded)

        #expect(try await windows.live().contains("i1"))
    }

    @Test func `is held when it would delete too much of it, and a second list that agrees deletes`()
        async throws
    {
        let windows = try await Windows()
        windows.items.withLock { items in
            for number in 0..<400 { items["n\(number)"] = 1_000 + number }
        }
        #expect(try await windows.sync(.full) == .succeeded)
        windows.items.withLock { $0 = $0.filter { $0.value < 1_000 || $0.value >= 1_060 } }

        // Few of all, and most of the stretch.
        #expect(try await windows.backfill(1_000, 1_070) == .succeeded)
        #expect(try await windows.live().count == 400)
        #expect(try await windows.count("alerts WHERE kind = 'sweep_held' AND resolved_at IS NULL") == 1)
        #expect(try await windows.count("sweeps WHERE status = 'held'") == 1)

        // Another stretch says nothing about this one.
        #expect(try await windows.backfill(1_200, 1_300) == .succeeded)
        #expect(try await windows.count("sweeps WHERE status = 'held'") == 1)

        #expect(try await windows.backfill(990, 1_080) == .succeeded)
        #expect(try await windows.live().count == 340)
        #expect(try await windows.count("alerts WHERE resolved_at IS NULL") == 0)
        #expect(try await windows.count("sweeps WHERE status = 'held'") == 0)
        #expect(try await windows.count("sweep_items") == 0)
    }

    @Test func `takes what it shows out of a sweep that waits, so that an approval spares it`() async throws {
        let windows = try await Windows()
        windows.items.withLock { items in
            for number in 0..<100 { items["n\(number)"] = 1_000 + number }
        }
        #expect(try await windows.sync(.full) == .succeeded)
        let all = windows.items.withLock { $0 }
        windows.items.withLock { $0 = $0.filter { $0.value >= 1_090 } }
        #expect(try await windows.backfill(1_000, 1_100) == .succeeded)
        let held = try await windows.pool.query("SELECT id FROM lockstep.sweeps WHERE status = 'held'").int(
            0, 0)

        // The list was wrong; a part of it is right again.
        windows.items.withLock { $0 = all }
        #expect(try await windows.backfill(1_000, 1_050) == .succeeded)
        let decided = try await SweepDecisions(pool: windows.pool).decide(try #require(held), approve: true)

        #expect(decided == .decided(deleted: 40))
        #expect(try await windows.live().count == 60)
    }

    @Test func `that two runs have read between them says nothing`() async throws {
        let windows = try await Windows(Self.stretches)
        windows.items.withLock { $0 = ["old": 1_000, "a": 5_000, "b": 7_000, "c": 9_000] }
        #expect(try await windows.sync(.full) == .succeeded)
        windows.items.withLock { $0 = ["c": 9_000] }
        let asked = LockedBox(0)

        let first = try await windows.sync(.incremental) { _ in
            asked.withLock { count in
                count += 1
                return count > 2 ? .yield : nil
            }
        }
        #expect(first == .yielded(.yield))
        #expect(try await windows.sync(.incremental) == .succeeded)
        #expect(try await windows.count("deletions") == 0)

        // The next one reads all of it again.
        #expect(try await windows.sync(.incremental) == .succeeded)
        #expect(try await windows.live() == ["old", "c"])
    }

    private static let stretches = """
        incremental: { kind: time_param_window, parameter: since, until_parameter: until, format: epoch_seconds, compare: inclusive, step: 30m, start: "1970-01-01T00:00:00Z", lag: 2h }
        """

    @Test func `is read by an incremental sync too, from the cursor to the provider's now`() async throws {
        let windows = try await Windows(Self.stretches)
        windows.items.withLock { $0 = ["old": 1_000, "a": 5_000, "b": 7_000, "c": 9_000] }
        #expect(try await windows.sync(.full) == .succeeded)
        #expect(try await windows.live() == ["old", "a", "b", "c"])
        windows.items.withLock { $0 = ["c": 9_000, "d": 9_100] }

        #expect(try await windows.sync(.incremental) == .succeeded)

        // What lies before the cursor less its lag was not listed.
        #expect(try await windows.live() == ["old", "c", "d"])
    }
}
