// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import PostgresClient
import TestSupport
import Testing

@Suite(.serialized) struct `A scheduler whose servers are in trouble` {
    @Test func `says so, and enqueues again when the trouble is over`() async throws {
        try await Cluster.run(users: 1, objects: 10, starting: false) { cluster in
            try await cluster.connect("stripe", users: 1)
            _ = try await cluster.pool.query("DELETE FROM lockstep.schedules")
            _ = try await cluster.pool.query(
                """
                INSERT INTO lockstep.schedules (name, cron, type, spread_seconds)
                VALUES ('each-second', '* * * * * *', 'incremental', 0)
                """)
            let servers = cluster.processes.servers
            let redis = try FaultProxy(to: .unixSocket(servers.redisSocket))
            let postgres = try FaultProxy(to: .unixSocket(servers.postgresSocket))
            try await cluster.processes.startScheduler([
                "REDIS_URL": "redis://127.0.0.1:\(redis.port)",
                "DATABASE_URL": "postgresql://postgres@127.0.0.1:\(postgres.port)/postgres",
            ])
            let health = try await HealthWatch("scheduler", of: cluster.processes)
            try await health.turnsGreen()

            for proxy in [redis, postgres] {
                proxy.cut()
                try await enqueuesAgain(cluster)

                proxy.swallow()
                try await health.turnsRed()
                proxy.heal()
                try await health.turnsGreen()
                try await enqueuesAgain(cluster)
            }
        }
    }

    /// A slot of now is enqueued within 5 s.
    private func enqueuesAgain(_ cluster: Cluster, _ location: SourceLocation = #_sourceLocation) async throws
    {
        let now = try await cluster.pool.query("SELECT now()::text").text(0, 0) ?? ""
        let limit = ContinuousClock.now.advanced(by: .seconds(5))
        while try await cluster.count("schedule_fires WHERE state = 'enqueued' AND fire_at > '\(now)'") == 0 {
            guard ContinuousClock.now < limit else {
                Issue.record("no slot was enqueued", sourceLocation: location)
                return
            }
            try await ContinuousClock().sleep(for: .milliseconds(50))
        }
    }
}
