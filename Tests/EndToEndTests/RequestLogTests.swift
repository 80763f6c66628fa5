// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import PostgresClient
import Testing

@Suite(.serialized) struct `The request log` {
    private struct Line: Decodable {
        let method: String
        let status: Int
    }

    @Test func `has a row for each request that the provider saw, the last ones when the worker drains`()
        async throws
    {
        try await Cluster.run(workers: 1, users: 3, objects: 150) { cluster in
            try await cluster.connect("stripe", users: 3)
            for user in 1...3 {
                try await cluster.push("{\"user_id\":\"u_\(user)\",\"service\":\"stripe\",\"type\":\"full\"}")
            }
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 3)
            #expect(cluster.processes.signal("worker-1", SIGTERM))
            #expect(await cluster.processes.exit(of: "worker-1") != nil)

            let text = String(
                decoding: try await cluster.control("ledger?service=stripe&limit=100000", method: "GET"),
                as: UTF8.self)
            let lines = try text.split(separator: "\n").map {
                try JSONDecoder().decode(Line.self, from: Data($0.utf8))
            }
            #expect(lines.count > 20)
            #expect(try await cluster.count("api_log") == Int64(lines.count))
            let calls = try await cluster.pool.query("SELECT sum(api_calls)::bigint FROM lockstep.sync_log")
            #expect(calls.int(0, 0) == Int64(lines.count))
            #expect(
                try await cluster.count(
                    """
                    sync_log l WHERE l.api_calls <> (SELECT count(*) FROM lockstep.api_log a
                        WHERE a.sync_id = l.id AND a.integration_id = l.integration_id)
                    """) == 0)
            #expect(
                try await cluster.count("api_log WHERE status_code = 200 AND error IS NULL")
                    == Int64(lines.count { $0.status == 200 }))
            #expect(
                try await cluster.count(
                    """
                    api_log WHERE method <> 'GET' OR endpoint !~ '^/v1/[a-z_]+$' OR integration_id IS NULL
                        OR service <> 'stripe' OR duration_ms < 0 OR bytes <= 0 OR at > now()
                    """) == 0)
        }
    }

    @Test func `stays empty when it is turned off`() async throws {
        try await Cluster.run(workers: 1, users: 1, objects: 10, extra: ["LOCKSTEP_API_LOG_RETENTION": "0"]) {
            cluster in
            try await cluster.connect("stripe", users: 1)
            try await cluster.push(#"{"user_id":"u_1","service":"stripe","type":"full"}"#)
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 1)
            #expect(cluster.processes.signal("worker-1", SIGTERM))
            #expect(await cluster.processes.exit(of: "worker-1") != nil)
            #expect(try await cluster.count("api_log") == 0)
        }
    }
}
