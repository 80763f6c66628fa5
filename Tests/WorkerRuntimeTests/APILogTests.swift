// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Logging
import Model
import PostgresClient
import ServiceLifecycle
import SyncStore
import TestSupport
import Testing

@testable import WorkerRuntime

@Suite struct `The request log of a worker` {
    private let pool: PostgresPool
    private let integrationID: Int64
    private let log: APILog

    init() async throws {
        var configuration = try await PostgresConfiguration(url: PostgresServer.makeDatabase())
        configuration.maxConnections = 4
        pool = PostgresPool(configuration: configuration)
        _ = try await Migrator(pool: pool).migrate()
        integrationID = try await IntegrationStore(pool: pool).add(
            IntegrationKey(userID: "u_1", service: "stripe"), configuration: Array("{}".utf8)
        ).id
        log = APILog(
            store: APILogStore(pool: pool), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func exchange(
        _ outcome: Result<HTTPResponse, HTTPError> = .success(
            HTTPResponse(status: 200, headers: HTTPHeaders(), body: [1, 2, 3], url: "https://x/?secret=1")),
        of id: Int64? = nil, run: Int64? = nil, requestID: String? = nil, error: ErrorClass? = nil
    ) -> ProviderExchange {
        ProviderExchange(
            outcome, of: id ?? integrationID, run: run, service: "stripe", method: "GET",
            endpoint: "/v1/customers", duration: .milliseconds(1_500), requestID: requestID, error: error)
    }

    private func outcomes() -> [String: Double] {
        var counts: [String: Double] = [:]
        for sample in log.metrics.flatMap(\.samples) {
            if case .number(let number) = sample.reading { counts[sample.labels["outcome"] ?? ""] = number }
        }
        return counts
    }

    @Test func `has a row for each request, with what may be known of it`() async throws {
        log.record(exchange(run: 42, requestID: "req_1\u{7}\n2"))
        log.record(exchange(.failure(HTTPError(.timeout, "too slow")), error: .transient))
        await log.flush()

        let rows = try await pool.query(
            """
            SELECT integration_id = \(integrationID) AND service = 'stripe' AND method = 'GET'
                       AND endpoint = '/v1/customers' AND duration_ms = 1500,
                   status_code::bigint, bytes, request_id, error,
                   at BETWEEN now() - interval '1 minute' AND now() - interval '1 second', sync_id
            FROM lockstep.api_log ORDER BY status_code NULLS LAST
            """)
        #expect(rows.count == 2)
        #expect(rows.bool(0, 0) == true && rows.bool(1, 0) == true)
        #expect(rows.int(0, 1) == 200 && rows.isNull(1, 1))
        #expect(rows.int(0, 2) == 3 && rows.int(1, 2) == 0)
        #expect(rows.text(0, 3) == "req_12" && rows.isNull(1, 3))
        #expect(rows.isNull(0, 4) && rows.text(1, 4) == "transient")
        #expect(rows.bool(0, 5) == true && rows.bool(1, 5) == true)
        #expect(rows.int(0, 6) == 42 && rows.isNull(1, 6))
        await pool.close()
    }

    @Test func `drops and counts what does not fit, and what cannot be written`() async throws {
        for _ in 0..<APILog.capacity + 7 { log.record(exchange()) }
        #expect(outcomes() == ["written": 0, "dropped": 7])
        await log.flush()
        #expect(outcomes() == ["written": Double(APILog.capacity), "dropped": 7])
        #expect(
            try await pool.query("SELECT count(*) FROM lockstep.api_log").int(0, 0) == Int64(APILog.capacity))

        _ = try await pool.query("ALTER TABLE lockstep.api_log RENAME TO api_log_away")
        for _ in 0..<APILog.batchLimit + 1 { log.record(exchange()) }
        await log.flush()
        // The second batch was not tried: it waits for the next look.
        #expect(outcomes()["dropped"] == Double(7 + APILog.batchLimit))
        _ = try await pool.query("ALTER TABLE lockstep.api_log_away RENAME TO api_log")
        await log.flush()
        #expect(outcomes()["written"] == Double(APILog.capacity + 1))
        await pool.close()
    }

    @Test func `leaves out what is of an integration that is being erased or is gone`() async throws {
        _ = try await pool.query("SELECT lockstep.begin_erasure(\(integrationID))")
        log.record(exchange())
        log.record(exchange(of: 999_999))
        await log.flush()

        #expect(try await pool.query("SELECT count(*) FROM lockstep.api_log").int(0, 0) == 0)
        await pool.close()
    }

    @Test func `writes its last rows when the worker ends`() async throws {
        let group = ServiceGroup(services: [log], logger: Logger(label: "test"))
        let running = Task { try await group.run() }
        log.record(exchange())
        await group.triggerGracefulShutdown()
        try await running.value

        #expect(try await pool.query("SELECT count(*) FROM lockstep.api_log").int(0, 0) == 1)
        await pool.close()
    }
}
