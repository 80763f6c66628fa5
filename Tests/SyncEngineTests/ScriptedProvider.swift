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

/// A provider whose every answer the test writes, and everything of a sync but the queue.
struct ScriptedProvider {
    /// What the provider answers, by the target of the request without `/api`; an unknown one is answered with 404.
    let answers = LockedBox<[String: String]>([:])
    /// The status of an answer that is no 200, by its target.
    let statuses = LockedBox<[String: String]>([:])
    let server: ScriptedServer
    let pool: PostgresPool
    let store: SyncStore
    let engine: SyncEngine
    let connector: ManifestConnector
    private let http: HTTPClient
    private static let key = IntegrationKey(userID: "u_1", service: "demo")

    /// `streams` is the manifest's text from there on, with its indentation.
    init(streams: String, engine configuration: EngineConfiguration = EngineConfiguration()) async throws {
        let (answers, statuses) = (answers, statuses)
        server = try ScriptedServer { request in
            let target = String(request.target.dropFirst("/api".count))
            let status = statuses.withLock { $0[target] }
            guard let body = answers.withLock({ $0[target] }) else {
                return [.reply(status ?? "404 Not Found")]
            }
            return [.reply(status ?? "200 OK", body: Array(body.utf8))]
        }
        pool = PostgresPool(
            configuration: try await PostgresConfiguration(url: PostgresServer.makeDatabase()))
        _ = try await Migrator(pool: pool).migrate()
        store = SyncStore(pool: pool)
        engine = SyncEngine(store: store, configuration: configuration)
        connector = try ManifestLoader.load(
            "lockstep: 1\nservice: demo\nbase_url: https://api.example.com\nstreams:\n" + streams,
            file: "demo.yaml")
        var client = HTTPClientConfiguration()
        client.addressPolicy = .allowing(hosts: [server.origin])
        http = HTTPClient(
            configuration: client, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        _ = try await IntegrationStore(pool: pool).add(Self.key, configuration: Array("{}".utf8))
    }

    /// Answers a list of one page with these records.
    func list(_ target: String, _ records: some Sequence<String>) {
        let body = #"{"data":[\#(records.joined(separator: ","))]}"#
        answers.withLock { $0[target] = body }
    }

    /// Runs one job to its end.
    @discardableResult
    func sync(
        _ kind: SyncJob.Kind, streams: [String]? = nil,
        stop: @escaping @Sendable (Duration) -> StopReason? = { _ in nil },
        through wrap: (any ProviderClient) -> any ProviderClient = { $0 }
    ) async throws -> RunVerdict {
        let type: JobType =
            switch kind {
            case .full: .full
            case .incremental: .incremental
            case .backfill: .backfill
            case .changes: .webhook
            }
        let start = try await store.begin(
            RunRequest(
                jobID: UUID().uuidString, attempt: 1, worker: "w", type: type, enqueuedAt: nil,
                integration: .key(Self.key)))
        guard case .opened(let run) = start else { throw PostgresError(.closed, "\(start)") }
        return await engine.perform(
            SyncJob(kind: kind, streams: streams), in: run, connector: connector,
            access: ProviderAccess(
                client: wrap(DirectClient(http: http)), secrets: [:], configuration: [:],
                baseURL: server.url("/api")),
            stop: stop, progressed: {})
    }

    /// The live ids of a stream, in the order of their bytes.
    func live(_ stream: String = "items") async throws -> [String] {
        let rows = try await pool.query(
            "SELECT external_id FROM lockstep.records WHERE deleted_at IS NULL AND stream = $1 ORDER BY external_id",
            [.text(stream)])
        return (0..<rows.count).compactMap { rows.text($0, 0) }
    }

    func count(_ sql: String) async throws -> Int64 {
        try await pool.query("SELECT count(*) FROM lockstep.\(sql)").int(0, 0) ?? -1
    }

    /// The targets that were asked for since `start`, without `/api`.
    func asked(since start: Int = 0) -> [String] {
        server.log.requests.dropFirst(start).map { String($0.target.dropFirst("/api".count)) }
    }
}
