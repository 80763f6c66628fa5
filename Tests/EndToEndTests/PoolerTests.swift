// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import JobQueue
import Model
import PostgresClient
import TestSupport
import Testing

/// Each transaction may run on another connection of the server, behind those of other processes.
@Suite(.serialized) struct `Behind a pooler in transaction mode` {
    /// More processes and tasks share them than there are connections.
    private static let connections = 3

    private static func run(_ body: (Cluster, PgBouncer) async throws -> Void) async throws {
        try await Cluster.run(users: 3, objects: 600, starting: false) { cluster in
            _ = try await cluster.pool.query("CREATE ROLE pooled SUPERUSER LOGIN")
            let pooler = try PgBouncer(
                before: cluster.processes.servers.postgresSocket, as: "pooled", connections: connections)
            try await body(cluster, pooler)
        }
    }

    private static func succeeds(
        _ cluster: Cluster, _ url: String, _ arguments: String..., input: String = "",
        location: SourceLocation = #_sourceLocation
    ) async throws -> `The command`.Result {
        let result = try await `The command`.lockstep(
            arguments, input: input,
            environment: cluster.processes.environment.merging(["DATABASE_URL": url]) { $1 })
        #expect(result.code == 0, "\(arguments): \(result.text)", sourceLocation: location)
        return result
    }

    @Test func `a cluster syncs, sweeps, acts, and is operated`() async throws {
        try await Self.run { cluster, pooler in
            let url = pooler.url("postgres")
            try await cluster.processes.startScheduler(["DATABASE_URL": url])
            for _ in 0..<2 { try await cluster.processes.startWorker(["DATABASE_URL": url]) }
            try await cluster.connect("stripe", users: 3)

            // First loads by COPY, checkpoints, the end of a generation.
            for user in 1...3 {
                try await cluster.push(#"{"user_id":"u_\#(user)","service":"stripe","type":"full"}"#)
            }
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 3)
            #expect(try await cluster.differences("stripe", users: 3) == 0)

            // Changes by the feed; absences by a sweep.
            _ = try await cluster.control(
                "edit?user=u_1&service=stripe&stream=customers&creates=5&updates=20")
            try await cluster.push(#"{"user_id":"u_1","service":"stripe","type":"incremental"}"#)
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 4)
            #expect(try await cluster.differences("stripe", users: 3) == 0)
            _ = try await cluster.control("edit?user=u_2&service=stripe&stream=customers&deletes=15")
            try await cluster.push(#"{"user_id":"u_2","service":"stripe","type":"full"}"#)
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 5)
            #expect(try await cluster.differences("stripe", users: 3) == 0)
            #expect(try await cluster.count("deletions") == 15)
            _ = try await Self.succeeds(cluster, url, "verify")

            // An action, requested and waited for by the command.
            try await cluster.connect(IntegrationKey(userID: "u_1", service: "gmail"))
            _ = try await Self.succeeds(
                cluster, url, "action", "send_email", "--user", "u_1", "--service", "gmail", "--input",
                #"{"to":"ada@example.com","subject":"Hello","text":"Hello"}"#)
            #expect(try await cluster.count("actions WHERE status = 'succeeded'") == 1)

            // All of it went through the pooler, and shared its connections.
            let shared = try await cluster.pool.query(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'pooled'")
            #expect((1...Int64(Self.connections)).contains(shared.int(0, 0) ?? 0))
            _ = try await Self.succeeds(cluster, url, "status")
            _ = try await Self.succeeds(cluster, url, "integrations", "erase", "u_3/stripe", "--yes")
            #expect(
                try await cluster.count(
                    "records r WHERE NOT EXISTS (SELECT FROM lockstep.integrations i WHERE i.id = r.integration_id)"
                ) == 0)
            let letters = try await cluster.queue.deadLetters().letters
            #expect(letters.isEmpty, "\(letters.map { "\($0.code): \($0.reason)" })")
            #expect(try await cluster.count("sync_log WHERE attempt > 1") == 0)
            #expect(await cluster.processes.failures().isEmpty)
        }
    }

    @Test func `migrations are applied, and nothing of a transaction stays with its connection`() async throws
    {
        try await Self.run { cluster, pooler in
            _ = try await cluster.pool.query("CREATE DATABASE fresh")
            let url = pooler.url("fresh")
            _ = try await Self.succeeds(cluster, url, "migrate")
            _ = try await Self.succeeds(cluster, url, "migrate")

            let pool = PostgresPool(configuration: try PostgresConfiguration(url: url))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<60 {
                    group.addTask {
                        if number % 2 == 0 {
                            _ = try await pool.transaction(longest: .seconds(600)) {
                                try await $0.query("SELECT pg_sleep(0.005)")
                            }
                        } else {
                            let rows = try await pool.query(
                                "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'), current_setting('client_connection_check_interval')"
                            )
                            #expect((0..<4).map { rows.text(0, $0) } == ["0", "0", "0", "0"])
                        }
                    }
                }
                try await group.waitForAll()
            }
            await pool.close()
        }
    }
}
