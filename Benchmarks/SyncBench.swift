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

/// (b) A full sync of many records: first load, unchanged, a tenth changed.
struct SyncBench {
    let environment: BenchEnvironment
    let records: Int
    private static let recordBytes = 400

    func run() async throws {
        Report.title("(b) full sync of \(records) records of \(Self.recordBytes) bytes in pages of 1,000")
        let limits = try await UpsertLimit(pool: environment.pool, records: records).measure()
        Report.line("limit: COPY and upsert of 5,000, empty table", limits.empty, "records/s")
        Report.line("limit: COPY and upsert of 5,000, full table", limits.full, "records/s")
        let fetch = try await fetchLimit()
        Report.line("limit: fetching the pages alone", fetch, "records/s")
        let id = try await IntegrationStore(pool: environment.pool).add(
            IntegrationKey(userID: "u_bench", service: "bench"), configuration: configuration(variant: 0)
        ).id

        try await measure(id, "first load", variant: 0, limit: limits.empty, target: "target 0.75")
        try await measure(id, "unchanged", variant: 0, limit: limits.full, target: "target 2")
        try await measure(id, "a tenth changed", variant: 10, limit: limits.full, target: "target 1.5")
        try await check(id)
        try await measureWhole()
    }

    /// An unchanged table again, by a worker: bare, and with a credential, limits and the request log.
    private func measureWhole() async throws {
        var rates: [Double] = []
        for care in [WorkerRig.Care.bare, .whole] {
            let rig = try WorkerRig(care, in: environment)
            let ids = try await rig.connect(["u_rig"], configuration: configuration(variant: 0))
            let seconds = try await rig.running {
                try await rig.sync(ids, type: .full, stream: "items")
                let start = Usage.now()
                try await rig.sync(ids, type: .full, stream: "items")
                return Usage.now().seconds(since: start)
            }
            rates.append(Double(records) / seconds)
        }
        Report.line("unchanged, by a worker", rates[0], "records/s")
        Report.line(
            "  with credential, limits and request log", rates[1], "records/s", limit: rates[0],
            target: "target 0.9 of the bare one")
    }

    private func configuration(variant: Int) -> [UInt8] {
        Array("{\"total\":\(records),\"size\":\(Self.recordBytes),\"variant\":\(variant)}".utf8)
    }

    private func client() -> HTTPClient {
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(
            hosts: ServiceAddress.hosts(of: ["bench": environment.provider]))
        return HTTPClient(configuration: configuration, logger: Logger(label: "bench"))
    }

    private func fetchLimit() async throws -> Double {
        let http = client()
        let start = Usage.now()
        var after = ""
        for page in 0..<(records / 1_000) {
            let url =
                "\(environment.provider)/bench/\(records)/\(Self.recordBytes)/0/v1/items?limit=1000\(after)"
            _ = try await http.send(HTTPRequest(method: "GET", url: url, headers: []))
            after = "&starting_after=item_" + String(format: "%09d", page * 1_000 + 999)
        }
        return Double(records) / Usage.now().seconds(since: start)
    }

    private func measure(_ id: Int64, _ name: String, variant: Int, limit: Double, target: String)
        async throws
    {
        let store = SyncStore(pool: environment.pool)
        _ = try await IntegrationStore(pool: environment.pool).add(
            IntegrationKey(userID: "u_bench", service: "bench"),
            configuration: configuration(variant: variant))
        let connector = try ManifestLoader.load(BenchEnvironment.manifest, file: "bench.yaml")
        let start = Usage.now()
        let begun = try await store.begin(
            RunRequest(
                jobID: "bench", attempt: 1, worker: "bench", type: .full, enqueuedAt: nil,
                integration: .id(id)))
        guard case .opened(let run) = begun else { throw BenchFailure("the run did not open: \(begun)") }
        let verdict = await SyncEngine(store: store).perform(
            SyncJob(kind: .full, streams: ["items"]), in: run, connector: connector,
            access: ProviderAccess(
                client: DirectClient(http: client()), secrets: [:], configuration: run.configuration,
                baseURL: environment.provider),
            stop: { _ in nil })
        let end = Usage.now()
        guard verdict == .succeeded else { throw BenchFailure("\(name): \(verdict)") }
        Report.line(
            name, Double(records) / end.seconds(since: start), "records/s", limit: limit, target: target)
        let cpu = (end.cpuSeconds - start.cpuSeconds) * 1e6 / Double(records)
        Report.line("  CPU of this process", cpu, "s per million", target: "target 8")
        Report.line(
            "  peak memory of this process", Double(end.peakBytes) / 1_048_576, "MiB", target: "target 96")
    }

    /// A benchmark that wrote the wrong rows does not count.
    private func check(_ id: Int64) async throws {
        let rows = try await environment.pool.query(
            """
            SELECT count(*), count(*) FILTER (WHERE data->>'v' = '1'),
                   bool_and((right(external_id, 9)::bigint % 10 = 0) = (data->>'v' = '1'))
            FROM lockstep.records WHERE integration_id = $1 AND deleted_at IS NULL
            """, [.int(id)], deadline: .seconds(120))
        guard rows.int(0, 0) == Int64(records), rows.int(0, 1) == Int64(records / 10), rows.bool(0, 2) == true
        else {
            throw BenchFailure("the table does not hold what the provider sent: it does not count")
        }
        print("  checked: \(records) rows, \(records / 10) of them changed, the right ones")
    }
}

/// What Postgres does with the same rows, without anything else: COPY into a staging table and one upsert per batch.
struct UpsertLimit {
    let pool: PostgresPool
    let records: Int
    private static let batch = 5_000

    func measure() async throws -> (empty: Double, full: Double) {
        _ = try await pool.query(
            """
            CREATE TABLE limit_records (integration_id bigint, stream text COLLATE "C", external_id text COLLATE "C",
                data jsonb, content_hash bytea, synced_at timestamptz DEFAULT now(),
                PRIMARY KEY (integration_id, stream, external_id))
            """)
        let empty = try await load(hash: 0)
        let full = try await load(hash: 1)
        _ = try await pool.query("DROP TABLE limit_records")
        return (empty, full)
    }

    private func load(hash: Int) async throws -> Double {
        let pad = String(repeating: "x", count: 320)
        let start = Usage.now()
        for first in stride(from: 0, to: records, by: Self.batch) {
            var text = ""
            for number in first..<first + Self.batch {
                let id = "item_" + String(repeating: "0", count: 9 - String(number).count) + String(number)
                text +=
                    "1\titems\t\(id)\t{\"id\":\"\(id)\",\"object\":\"item\",\"created\":1700000000,\"v\":\(hash),"
                text += "\"pad\":\"\(pad)\"}\t\\\\x000102030405060708090a0b0c0d0e0\(hash)\n"
            }
            let data = Array(text.utf8)
            try await pool.transaction { connection in
                _ = try await connection.query(
                    "CREATE TEMP TABLE staging (LIKE limit_records) ON COMMIT DROP")
                _ = try await connection.copyIn(
                    "COPY staging (integration_id, stream, external_id, data, content_hash) FROM STDIN",
                    data: [data])
                _ = try await connection.query(
                    """
                    INSERT INTO limit_records AS r (integration_id, stream, external_id, data, content_hash)
                    SELECT integration_id, stream, external_id, data, content_hash FROM staging
                    ON CONFLICT (integration_id, stream, external_id) DO UPDATE
                    SET data = excluded.data, content_hash = excluded.content_hash, synced_at = now()
                    WHERE r.content_hash IS DISTINCT FROM excluded.content_hash
                    """)
            }
        }
        return Double(records) / Usage.now().seconds(since: start)
    }
}

/// A benchmark whose result would mean nothing.
struct BenchFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
